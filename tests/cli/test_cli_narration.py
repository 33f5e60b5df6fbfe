"""A loop in the foreground tells one line for each event that matters."""

from engine.cli import figures
from engine.cli.narration import line
from engine.session import events as ev
from engine.session.fold import apply
from engine.session.journal import Follower
from engine.session.state import State


def told(story) -> list[str]:
    """Every line of the journal so far, each told when its event had just been folded."""
    state, lines = State(), []
    for event in Follower(story.paths.journal).poll():
        apply(state, event)
        if text := line(event, state):
            lines.append(text)
    return lines


def test_a_night_reads_as_one_line_a_verdict(story) -> None:
    story.night().stop("asked by ada")
    lines = told(story)
    assert lines[0] == "engine started, process 4242"
    assert lines[1] == "segment 0: val_bpb, lower is better"
    verdicts = [text for text in lines if text.split()[2] in ("keep", "discard", "crash")]
    assert verdicts == [
        "run 1   keep      val_bpb 2.000000  baseline",
        "run 2   keep      val_bpb 1.900000 (-0.100000)  ALPHA 0.9→0.2",
        "run 3   discard   val_bpb 1.950000 (+0.050000)  ALPHA 0.2→0.3",
        "run 4   crash     ALPHA 0.2→0.4  [RuntimeError: shapes differ]",
        "run 5   keep      val_bpb 1.800000 (-0.100000)  ALPHA 0.2→0.5",
    ]
    assert lines[-1] == "engine stopped: asked by ada"


def test_a_flagged_claim_says_why_it_was_not_believed(story) -> None:
    story.begin()
    story.accept("too good")
    story.trial("ok", 0.1)
    story.decide("discard", 0.1, "a gain of 1.9 in one step is not believed", flags=("jump",))
    assert "[a gain of 1.9 in one step is not believed]" in told(story)[-1]


def test_the_operators_words_and_decisions_are_told(story) -> None:
    story.night()
    before = len(told(story))
    story.write(
        ev.CommandQueued(at=1, id="a", kind="say", args={"text": "try ALPHA=0.1"}, by="ada"),
        ev.PauseSet(at=1, paused=True, by="ada", reason="lunch"),
        ev.Overridden(
            at=1,
            command="b",
            kind="revert",
            run=2,
            line=(1,),
            statuses={2: "discard", 5: "discard"},
            withdrawn=(5,),
            by="ada",
        ),
        ev.ResearcherSaid(at=1, text="ALPHA=0.1 comes next", command="a"),
        ev.Trouble(at=1, text="the disk is nearly full"),
    )
    assert told(story)[before:] == [
        "ada says: try ALPHA=0.1",
        "paused by ada: lunch; overnight resume goes on",
        "run 2   revert    by ada; run 1 is the champion; withdrawn with it: run 5",
        "researcher: ALPHA=0.1 comes next",
        "trouble: the disk is nearly full",
    ]


def test_processes_that_had_to_be_killed_are_named(story) -> None:
    story.begin()
    story.accept("forks")
    story.trial()
    story.write(ev.TrialEnded(at=1, run=2, trial=1, outcome="timeout", killed=("python (77)",)))
    assert told(story)[-1].endswith("left over: python (77)")


def test_spans_read_naturally() -> None:
    spans = [figures.seconds(value) for value in (0, 59.6, 245, 7620, 97 * 3600)]
    assert spans == ["0 s", "1 min 00 s", "4 min 05 s", "2 h 07 min", "4 d 01 h"]


def test_the_device_what_fits_it_and_what_is_waited_for_are_told(story) -> None:
    story.write(
        ev.EngineStarted(at=story.tick(), pid=7, host="h", start_id="s", device="GPU-1", device_name="NVIDIA H100"),
        ev.Delayed(at=story.tick(), text="finding what fits the GPU, try 1: depth 8"),
        ev.Fitted(at=story.tick(), text="depth 6 does", changed={"DEPTH": ("8", "6")}),
        ev.Delayed(at=story.tick(), text="GPU 0 has 43.9 GiB in use", trouble=True),
    )
    assert told(story)[-4:] == [
        "engine started, process 7, on NVIDIA H100",
        "finding what fits the GPU, try 1: depth 8",
        "depth 6 does",
        "trouble: GPU 0 has 43.9 GiB in use",
    ]
