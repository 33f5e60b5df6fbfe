"""Claims against a model of a dozen lines: whatever is done in whatever order, both say the same."""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.swarm.api import Claimed, SwarmError
from engine.swarm.records import Change
from engine.swarm.store import claims
from engine.swarm.store.database import in_file
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor, change
from tests.swarm.conftest import FAST
from tests.swarm.crowd import expire, members


class Held(NamedTuple):
    """One key in the model. `holder` is a claim; a result ends it for ever."""

    holder: str
    token: int
    live: bool
    result: bool = False


WHO, WHICH = st.integers(0, 2), st.integers(0, 5)


def wanted(which: int) -> Change:
    """Six codes; each two share their constants on one base, so that their second key is the same."""
    return change(f"c{which}", LR=("0", str(which // 2))) if which < 4 else change(f"c{which}")


class Claiming(RuleBasedStateMachine):
    """Three members, six changes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(in_file(self.folder / "s.db"), FAST)
        self.store.create("lab")
        self.actors = members(self.store, "ada", "bob", "cyd")
        self.keys: dict[str, Held] = {}
        self.given: list[tuple[Actor, int, Claimed]] = []
        self.published: set[int] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.store.engine.dispose()
        shutil.rmtree(self.folder)

    @rule(who=WHO, which=WHICH)
    def claim(self, who: int, which: int) -> None:
        """All keys that are free or run out are taken, or none; each take-over counts its token up."""
        keys = claims.keys(wanted(which))
        held = [self.keys[key] for key in keys if key in self.keys]
        answer = self.actors[who].claim(wanted(which))
        if any(one.result for one in held):
            assert answer.state == "done"
        elif any(one.live for one in held):
            assert answer.state == "taken"
        else:
            assert answer.state == "granted"
            for key in keys:
                before = self.keys.get(key)
                self.keys[key] = Held(answer.claim, before.token + 1 if before else 1, True)
            assert answer.token == self.keys[keys[0]].token
            self.given.append((self.actors[who], which, answer))

    @rule()
    def time_passes(self) -> None:
        """All leases run out."""
        expire(self.store)
        self.keys = {key: held._replace(live=False) for key, held in self.keys.items()}

    @rule(pick=st.integers(0, 20), what=st.sampled_from(["publish", "renew", "release"]))
    def go_on(self, pick: int, what: str) -> None:
        """Whoever was granted a claim once does something with it, however late."""
        if not self.given:
            return
        actor, which, answer = self.given[pick % len(self.given)]
        mine = [key for key, held in self.keys.items() if held.holder == answer.claim and not held.result]
        holds = any(self.keys[key].token == answer.token for key in mine)
        whole = set(mine) == set(claims.keys(wanted(which)))
        try:
            if what == "publish":
                actor.tell(f"c{which}", 0.9, answer, change=wanted(which))
            elif what == "renew":
                actor.renew(answer.claim, answer.token)
            else:
                actor.release(answer.claim, answer.token)
        except SwarmError as error:
            assert error.code == "token", error
            assert not (holds and (whole or what != "publish"))
            return
        assert holds and (whole or what != "publish")
        if what == "publish":
            assert which not in self.published
            self.published.add(which)
        self.keys.update({key: self._after(self.keys[key], what) for key in mine})

    @staticmethod
    def _after(held: Held, what: str) -> Held:
        if what == "publish":
            return held._replace(result=True)
        return held._replace(live=what == "renew")

    @invariant()
    def no_change_has_two_results(self) -> None:
        """Whatever happened."""
        rows = self.store.results(limit=500)
        assert {row.state for row in rows} <= {"reported"}
        assert len(rows) == len(self.published)


TestClaiming = Claiming.TestCase
TestClaiming.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
