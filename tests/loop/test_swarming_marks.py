"""Hypotheses that a change names: claimed as it begins, open where nothing came of it."""

from typing import Any, cast

from engine.loop.swarming import LATELY, Swarming, topics
from engine.loop.tree import Tree
from engine.session import events as ev
from engine.session.settings import Gate
from engine.session.state import Experiment, State, Trial
from engine.swarm.collective import Collective


class Listening:
    """A swarm that takes down what is marked. `full`: the disk is."""

    def __init__(self, full: bool = False) -> None:
        self.full, self.marked = full, list[tuple[int, tuple[str, ...], Any, str]]()

    def mark(self, run: int, said: tuple[str, ...], params: Any, state: str, at: float) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.marked.append((run, said, params, state))

    def let_go(self, what: Any, finished: bool) -> None: ...

    def hold(self, run: int, claim: str, token: int) -> None: ...

    def known(self) -> frozenset[str]:
        return frozenset()

    def since(self) -> int:
        return 9  # nothing is told here


def swarming(heard: Listening) -> Swarming:
    return Swarming(cast(Tree, None), cast(Collective, heard))


WIDER = {"WIDTH": ("256", "512")}
ACCEPTED = ev.ChangeAccepted(
    at=1.0, run=1, description="wider", asi={"hypothesis": "[0a1b2c3d] says so"}, params=WIDER, claim="c"
)


def ended(*flags: str) -> State:
    experiment = Experiment(
        1, 0, 1, 1.0, Gate(), phase="ended", commit="1" * 40, description="wider", asi=ACCEPTED.asi, params=WIDER,
        flags=flags,
        trials=[Trial(1, "1" * 40, 1, "candidate", "", 1.0, "ok", 1.0)],
    )  # fmt: skip
    return State(experiments=[experiment])


def test_what_a_change_names_is_claimed_and_opened_again_only_where_it_was_not_run_to_its_end() -> None:
    over = ev.ExperimentEnded(at=2.0, run=1)
    for flags, last in (((), "claimed"), (("aborted",), "open"), (("champion_failed",), "open")):
        heard = Listening()
        swarming(heard).written(ended(*flags), [ACCEPTED, over])
        said = ("wider", "[0a1b2c3d] says so")
        assert heard.marked[0] == (1, said, WIDER, "claimed") and heard.marked[-1] == (1, said, WIDER, last)


def test_a_full_disk_costs_the_mark_and_nothing_else() -> None:
    assert swarming(Listening(full=True)).written(State(), [ACCEPTED]) == []


def test_a_sessions_topics_are_the_constants_that_it_changed_lately_else_what_it_said() -> None:
    def tried(run: int, said: str, *names: str) -> Experiment:
        return Experiment(run, 0, 1, 1.0, Gate(), description=said, params=dict.fromkeys(names, ("1", "2")))

    long_ago = tried(2, "raise DEPTH", "DEPTH")
    lately = [tried(run, "raise MATRIX_LR", "MATRIX_LR") for run in range(3, LATELY + 2)]
    assert topics([long_ago, *lately, tried(20, "Rotary base of 500")]) == {"matrix_lr", "rotary", "base"}
