"""What researchers proposed and nobody tried."""

from engine.reports.todos import open_todos
from engine.session import events as ev
from engine.session.settings import Gate
from tests.session.story import Story


def tell(
    story: Story, hint: str, description: str = "", hypothesis: str = "", status: str = "discard", **params: str
) -> int:
    """An experiment that changed `params` (to the values given) and left a hint."""
    run = len(story.state.experiments) + 1
    changes = {name: ("0", value) for name, value in params.items()}
    asi = {"hypothesis": hypothesis} if hypothesis else {}
    story.tell(
        ev.ExperimentBegan(at=story.now, run=run, segment=0, champion=1, gate=Gate()),
        ev.ChangeAccepted(at=story.now, run=run, description=description or f"change {run}", asi=asi, params=changes),
        ev.ChangeCommitted(at=story.now, run=run, commit=f"c{run:06d}"),
        ev.TrialBegan(at=story.now, run=run, trial=1, commit=f"c{run:06d}", seed=1),
        ev.TrialEnded(at=story.now, run=run, trial=1, outcome="ok", metric=1.0),
        ev.Decided(at=story.now, run=run, status=status, reason="told", metric=1.0),
        ev.TreeSettled(at=story.now, run=run, commit=f"h{run:06d}", champion=1),
        ev.Learnt(at=story.now, run=run, asi={"next_action_hint": hint} if hint else {}),
        ev.ExperimentEnded(at=story.now, run=run),
    )
    return run


def begun() -> Story:
    story = Story()
    story.ran("keep", 1.0)
    return story


def hints(story: Story) -> list[str]:
    return [todo.hint for todo in open_todos(story.state)]


def test_a_hint_is_open_until_what_it_is_about_is_changed_again() -> None:
    story = begun()
    tell(story, "try 0.06", MATRIX_LR="0.05")
    tell(story, "try 5", DEPTH="4")
    assert hints(story) == ["try 5", "try 0.06"]
    tell(story, "", MATRIX_LR="0.06")
    assert hints(story) == ["try 5"]


def test_a_constant_that_the_hint_names_counts_before_those_that_were_changed() -> None:
    story = begun()
    tell(story, "", WARMUP_RATIO="0.1")
    tell(story, "a longer warm-up may help: raise WARMUP_RATIO", MATRIX_LR="0.05")
    tell(story, "", SCALAR_LR="0.1")
    assert hints(story) == ["a longer warm-up may help: raise WARMUP_RATIO"]
    tell(story, "", WARMUP_RATIO="0.2")
    assert hints(story) == []


def test_a_hint_without_constants_is_taken_up_by_a_change_that_shares_its_words() -> None:
    story = begun()
    tell(story, "replace the squared ReLU by a gated SwiGLU feed-forward", description="deeper residual stream")
    tell(story, "", description="untie the embeddings")
    assert len(hints(story)) == 1
    tell(
        story, "", description="gated feed-forward (SwiGLU)", hypothesis="squared ReLU saturates; a gated one does not"
    )
    assert hints(story) == []


def test_hints_that_close_a_matter_are_no_todos_and_the_same_words_are_told_once() -> None:
    story = begun()
    tell(story, "0.1 is worse than 0.2 for WEIGHT_DECAY, and 0.2 is about it: leave it", WEIGHT_DECAY="0.1")
    tell(story, "measure with two seeds", description="one thing")
    tell(story, "measure with two seeds", description="another matter")
    assert hints(story) == ["measure with two seeds"]
    assert open_todos(story.state)[0].run == 4
