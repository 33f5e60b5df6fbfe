"""What thinking cost and where the time went: everything that was asked for counts, once, to its experiment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session.settings import Gate
from engine.session.spending import dollars, plain, spending, times, usage_text
from tests.session.story import Story

USAGES = st.dictionaries(
    st.sampled_from(["cost_usd", "input_tokens", "output_tokens"]), st.integers(0, 1000).map(float)
)


def asked(story: Story, refused: dict[str, float], failed: dict[str, float], mended: dict[str, float]) -> int:
    """An experiment whose proposals were refused, whose researcher failed, and whose crash could not be mended."""
    run, champion = len(story.state.experiments) + 1, story.state.champion
    assert champion is not None
    story.tell(
        ev.ExperimentBegan(at=story.now, run=run, segment=0, champion=champion.run, gate=Gate()),
        ev.ProposalRefused(at=story.now, run=run, attempt=1, reason="train.py, line 3: no", usage=refused),
        ev.AttemptFailed(at=story.now, run=run, researcher="agent", kind="network", reason="no", usage=failed),
        ev.ChangeAccepted(at=story.now, run=run, description="x", asi={}, usage={"cost_usd": 1.0}),
        ev.ChangeCommitted(at=story.now, run=run, commit="c"),
        ev.TrialBegan(at=story.now, run=run, trial=1, commit="c", seed=1),
        ev.TrialEnded(at=story.now, run=run, trial=1, outcome="crash"),
        ev.MendFailed(at=story.now, run=run, attempt=1, reason="no", usage=mended),
        ev.Decided(at=story.now, run=run, status="crash", reason="no"),
        ev.ExperimentEnded(at=story.now, run=run),
    )
    return run


@given(refused=USAGES, failed=USAGES, mended=USAGES)
def test_all_that_was_asked_in_vain_counts_to_the_experiment_and_to_the_limits(
    refused: dict[str, float], failed: dict[str, float], mended: dict[str, float]
) -> None:
    story = Story()
    story.ran("keep", 1.0)
    run = asked(story, refused, failed, mended)
    whole = {
        name: sum(part.get(name, 0.0) for part in (refused, failed, mended, {"cost_usd": 1.0}))
        for name in ("cost_usd", "input_tokens", "output_tokens")
    }
    usage = story.experiment(run).usage
    assert {name: usage.get(name, 0.0) for name in whole} == whole
    assert story.state.cost == whole["cost_usd"]
    assert story.state.tokens == whole["input_tokens"] + whole["output_tokens"]
    spent = spending(story.state.experiments)
    assert (spent.cost_usd, spent.tokens) == (story.state.cost, story.state.tokens)


def test_an_experiment_and_a_keep_have_their_price() -> None:
    story = Story()
    story.ran("keep", 1.0)
    for status, metric in (("discard", 1.1), ("keep", 0.9), ("crash", None), ("keep", 0.8)):
        story.ran(status, metric)
        story.experiment(len(story.state.experiments)).usage = {"cost_usd": 0.3, "input_tokens": 100.0}
    found = plain(spending(story.state.experiments))
    assert (found["experiments"], found["keeps"]) == (4, 2)
    assert found["per_experiment_usd"] == pytest.approx(0.3) and found["per_keep_usd"] == pytest.approx(0.6)
    assert found["tokens_per_keep"] == pytest.approx(200)


def test_a_price_that_nobody_told_is_unknown_and_not_nothing() -> None:
    story = Story()
    story.ran("keep", 1.0)
    story.ran("discard", 1.1)
    assert spending(story.state.experiments).cost_usd is None and not spending(story.state.experiments).used
    story.experiment(2).usage = {"input_tokens": 5.0}
    spent = spending(story.state.experiments)
    assert spent.cost_usd is None and spent.used and spent.unpriced == 1 and spent.per_experiment is None


def test_amounts_in_words() -> None:
    assert [dollars(x) for x in (None, 0.0, 0.00001, 0.0123, 0.1, 1234.5)] == [
        "", "$0.00", "<$0.0001", "$0.012", "$0.10", "$1,234.50",
    ]  # fmt: skip
    assert usage_text({"cost_usd": 1.2, "input_tokens": 12000.0}) == "$1.20, 12,000 tokens in, 0 out"
    assert usage_text({}) == ""


def test_the_time_is_split_without_remainder() -> None:
    """100 s: 2 + 20 training, 10 thinking of which 4 paused, 1 else; then no engine for 30, then paused."""
    story = Story()
    story.tell(ev.EngineStarted(at=900.0, pid=1, host="box", start_id="a"))
    story.now = 1000.0
    story.segment()

    def at(moment: float, *events: ev.AnyEvent) -> None:
        story.now = moment
        for event in events:
            story.tell(event)

    at(
        1000.0,
        ev.ExperimentBegan(at=1000.0, run=1, segment=0, champion=None, gate=Gate()),
        ev.TrialBegan(at=1000.0, run=1, trial=1, commit="a", seed=1),
        ev.TrialEnded(at=1002.0, run=1, trial=1, outcome="ok", metric=1.0, duration_s=2.0),
        ev.Decided(at=1002.0, run=1, status="keep", reason="the baseline", metric=1.0),
        ev.ExperimentEnded(at=1002.0, run=1),
        ev.ExperimentBegan(at=1002.0, run=2, segment=0, champion=1, gate=Gate()),
        ev.PauseSet(at=1004.0, paused=True, by="ann"),
        ev.PauseSet(at=1008.0, paused=False, by="ann"),
        ev.ChangeAccepted(at=1012.0, run=2, description="x", asi={}),
        ev.ChangeCommitted(at=1012.0, run=2, commit="b"),
        ev.TrialBegan(at=1012.0, run=2, trial=1, commit="b", seed=1),
        ev.TrialEnded(at=1032.0, run=2, trial=1, outcome="ok", metric=1.1, duration_s=20.0),
        ev.Decided(at=1032.5, run=2, status="discard", reason="worse", metric=1.1),
        ev.ExperimentEnded(at=1033.0, run=2),
        ev.EngineStopped(at=1033.0, reason="asked"),
        ev.PauseSet(at=1050.0, paused=True, by="ann"),
        ev.EngineStarted(at=1063.0, pid=2, host="box", start_id="b"),
        ev.PauseSet(at=1099.0, paused=False, by="ann"),
        ev.EngineStopped(at=1100.0, reason="asked"),
    )
    found = times(story.state)
    assert (found.proposing, found.training, found.other, found.away) == pytest.approx((6, 22, 1, 30))
    assert found.between == pytest.approx(4 + 37)
    assert found.total == pytest.approx(100)
    assert [(pause.at, pause.until) for pause in story.state.pauses] == [(1004.0, 1008.0), (1050.0, 1099.0)]
