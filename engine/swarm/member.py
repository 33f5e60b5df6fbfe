"""A session as a member of a swarm: `Collective` over a hub or a file, which may be away at any time."""

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from engine.session.paths import SessionPaths
from engine.session.state import State
from engine.swarm import calls, telling
from engine.swarm.adoption import fresh_seeds, to_adopt, to_verify
from engine.swarm.api import Claimed, Stored, Swarm, SwarmError, Unreachable
from engine.swarm.canonical import digest
from engine.swarm.codes import Codes
from engine.swarm.collective import ALONE, CLAIM_S, Account, Answer, Foreign, Hints, Intent, Standing, Wish
from engine.swarm.deliverer import Deliverer
from engine.swarm.foreign import fetch, result_of
from engine.swarm.hints import Reading, look, weighed
from engine.swarm.holding import Holding
from engine.swarm.keys import KeyPair
from engine.swarm.link import Link
from engine.swarm.membership import Membership, reach
from engine.swarm.outbox import Letter, Outbox
from engine.swarm.records import Change, Hypothesis, Klass, Record
from engine.swarm.within import within

CALL_S = 10.0
"""What any call but a claim may take, in threads that the loop does not wait for."""
HELD_TIMES = 3
"""Rounds that a record failed in, the swarm being there, before that is told."""
AWAY_S = 15.0
"""After an unanswered call, claims are made alone for so long without asking."""


class Member:
    """Errors of the constructor: SwarmError where the key cannot be used."""

    def __init__(self, paths: SessionPaths, membership: Membership, every_s: float = 15.0) -> None:
        self.membership, self.key = membership, KeyPair.load(Path(membership.key))
        self.outbox, self.link = Outbox(paths.outbox), Link(paths.swarm)
        self.codes = Codes(paths.swarm / "code")
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._reading: Reading | None = None
        self._standing: Standing | None = None
        self._to_adopt: set[str] = set()
        self._to_verify: set[str] = set()
        self._held_back: Counter[str] = Counter()
        self._banned: set[str] = set()
        self._swarm: Swarm | None = None
        self._quiet_until = 0.0
        self._lock = threading.Lock()
        self._holding = Holding(membership.lease_s, self._renew, self._release, self._lost)
        self._deliverer = Deliverer(
            self.outbox,
            membership.swarm,
            self._reach,
            self._told,
            self._refused,
            self._held,
            self._away,
            self._look,
            every_s,
        )
        self._deliverer.start()

    # calls to the swarm

    def _reach(self) -> Swarm:
        with self._lock:
            own = self.membership
            if self._swarm is None or not (own.where.startswith("http") or Path(own.where).exists()):
                self._swarm = None
                self._swarm = reach(own.where, self.key, CALL_S, own.swarm)
            return self._swarm

    def _claim(self, id: str, change: Change, klass: Klass, instead: tuple[str, int] = ("", 0)) -> Claimed:
        if instead[0] and instead[0] != id:  # else the constants that both have would be taken, by ourselves
            self._holding.forget(instead[0])
            with contextlib.suppress(SwarmError):  # another's by now
                self._release(*instead)
        at, member = time.time(), self.key.member
        said = calls.claiming(self.membership.swarm, member, id, at, change, klass)
        return self._reach().claim(member, change, klass, self.key.sign(said), id, at)

    def _renew(self, claim: str, token: int) -> float:
        at, member = time.time(), self.key.member
        said = calls.holding("renew", self.membership.swarm, member, claim, token, at)
        return self._reach().renew(member, claim, token, self.key.sign(said), at)

    def _release(self, claim: str, token: int) -> None:
        at, member = time.time(), self.key.member
        said = calls.holding("release", self.membership.swarm, member, claim, token, at)
        self._reach().release(member, claim, token, self.key.sign(said), at)

    # what the loop asks in a worker's thread

    def claim(self, intent: Intent) -> Answer:
        """See Collective."""
        if time.monotonic() < self._quiet_until:
            return Answer(claim=ALONE)
        params = intent.params
        change = telling.change(intent.klass, intent.fingerprint, intent.base, params, intent.description)
        id = self.id("claim", intent.run, intent.fingerprint)
        try:
            found = within(CLAIM_S, lambda: self._claim(id, change, intent.klass, intent.instead), self._too_late)
        except SwarmError as error:
            if isinstance(error, Unreachable):
                self._quiet_until = time.monotonic() + AWAY_S
            why = f"the swarm gave no claim ({error}): run {intent.run} goes on alone"
            return Answer(claim=ALONE, said=() if isinstance(error, Unreachable) else (why,))
        advice = tuple(f"the swarm: {text}" for text in found.advice)
        if found.state == "granted":
            return Answer(claim=found.claim, token=found.token, said=advice)
        return Answer(taken=self._whose(found))

    def _too_late(self, found: Claimed) -> None:
        if found.state == "granted":
            self._release(found.claim, found.token)

    def _whose(self, found: Claimed) -> str:
        if found.state != "done":
            return f"the swarm: {found.by or 'somebody'} is trying this very change now; propose another"
        told = f"done by {found.by}"
        try:
            row = within(CLAIM_S, lambda: self._reach().result(found.result))
            if row is not None:
                told += f": {weighed(row, result_of(row, self.membership.swarm))}"
        except SwarmError:
            pass
        return f"the swarm: this very change is {told}; propose another"

    def fetch(self, result: str) -> Foreign:
        """See Collective."""
        return within(CALL_S, lambda: fetch(self._reach(), result, self.membership.swarm))

    # what the loop tells

    def hold(self, run: int, claim: str, token: int) -> None:
        """See Collective."""
        self._holding.hold(run, claim, token)

    def let_go(self, what: int | str, finished: bool) -> None:
        """See Collective."""
        self._holding.let_go(what, finished)
        if isinstance(what, str):
            self._to_verify.discard(what)

    def hints(self) -> Hints:
        """See Collective."""
        reading = self._reading
        return reading.hints if reading else Hints()

    def known(self) -> frozenset[str]:
        """See Collective."""
        return self.outbox.known()

    def since(self) -> int:
        """See Collective."""
        return self.membership.since

    def id(self, *parts: object) -> str:
        """See Collective."""
        return self.membership.id(*parts)

    def tell(self, account: Account) -> None:
        """See Collective."""
        reading, ids = self._reading, self.membership.id
        account = msgspec.structs.replace(account, best_of_class=reading.best_metric if reading else None)
        told = telling.records(account, self.membership.swarm, ids)
        said = [account.experiment.description, *account.experiment.asi.values()]
        known = {**reading.open, **reading.claimed} if reading else {}
        named = telling.cited(said, known) + telling.proposing(account.experiment.params, known)
        for about in dict.fromkeys(named):
            tested = Hypothesis(text="tested", evidence=told[0].id, state="tested", about=about)
            at = account.experiment.ended_at
            told.append(telling.idea(ids("tested", about), self.membership.swarm, at, tested))
        for record in told:
            self._put(record, account.files if record.kind == "result" else None)

    def mark(
        self, run: int, said: Collection[str], params: Mapping[str, tuple[str, str]], state: str, at: float
    ) -> None:
        """See Collective."""
        reading = self._reading
        if reading is None:
            return
        known = reading.open if state == "claimed" else {**reading.open, **reading.claimed}
        for about in dict.fromkeys(telling.cited(said, known) + telling.proposing(params, known)):
            body = Hypothesis(text=state, evidence=f"run {run}", state=state, about=about)
            self._put(telling.idea(self.id(state, about, run), self.membership.swarm, at, body), None)

    def judge(
        self, command: str, args: Mapping[str, str], klass: Klass, metrics: Mapping[str, float], at: float
    ) -> None:
        """See Collective."""
        by_seed = {int(name.removeprefix("seed_")): value for name, value in metrics.items() if name[:5] == "seed_"}
        id = self.id("verdict", command)
        code, result = args.get("code", ""), args.get("result", "")
        self._put(telling.verdict(id, self.membership.swarm, at, result, code, klass, by_seed), None)

    def _put(self, record: Record, code: dict[str, str] | None) -> None:
        self.outbox.put(Letter(self.key.signed(record), code))
        self._deliverer.wake()

    def stand(self, standing: Standing) -> None:
        """See Collective."""
        before, self._standing = self._standing, standing
        if before is None or before.klass != standing.klass:
            self._deliverer.wake()

    def wishes(self, state: State) -> list[Wish]:
        """See Collective."""
        found: list[Wish] = []
        while True:
            try:
                found.append(self._wishes.get_nowait())
            except queue.Empty:
                return found

    def close(self, wait_s: float = CALL_S) -> None:
        """See Collective."""
        self._holding.close()
        self._deliverer.close(wait_s)

    # what the deliverer's thread hears

    def _look(self, swarm: Swarm) -> None:
        standing = self._standing
        if standing is None:
            return
        own, id = self.key.member, self.membership.swarm
        reading = self._reading = look(swarm, standing.klass, own, id, standing.topics)
        for result, said in reading.banned.items():
            if result not in self._banned:
                self._banned.add(result)
                self._say(f"the swarm takes no result of the code of {said}; overnight revert takes a champion back")
        body = to_adopt(reading.best, standing, own, id)
        if body is not None and reading.best is not None and reading.best.record.id not in self._to_adopt:
            self._to_adopt.add(reading.best.record.id)
            args = {"result": reading.best.record.id, "name": reading.best.name}
            self._wishes.put(Wish("adopt", args))
        # one at a time, to its end: what its verdict lifts may stand above what waits
        foreign = None if self._to_verify else to_verify(reading.queue, standing, swarm, id)
        if foreign is not None:
            self._wish_to_verify(foreign)

    def _wish_to_verify(self, foreign: Foreign) -> None:
        """One member at a time re-runs a result: it is claimed like a change, and no result of it ever ends that."""
        print_ = digest(["verify", foreign.id])
        text = f"re-running {foreign.name}'s result {foreign.id[:8]}: {foreign.description}"[: telling.LONGEST]
        change = Change(contract=foreign.klass.contract, fingerprint=print_, base=print_, description=text)
        id = self.id("verify", foreign.id)
        found = self._claim(id, change, foreign.klass)
        if found.state != "granted":
            return
        self._holding.hold(foreign.id, found.claim, found.token)
        try:
            self.codes.put(foreign.code, foreign.files)
        except OSError:
            return self._holding.let_go(foreign.id, False)  # a full disk: somebody else re-runs it
        self._to_verify.add(foreign.id)
        args = {"result": foreign.id, "name": foreign.name, "code": foreign.code}
        args |= {"seeds": " ".join(map(str, fresh_seeds(foreign.seed))), "metric": repr(foreign.metric)}
        self._wishes.put(Wish("verify", args))

    def _told(self, stored: Stored) -> None:
        self.link.delivered += 1
        if stored.state == "quarantined":
            self._say(f"the swarm set a result of ours aside: {stored.reason}")

    def _refused(self, kind: str, error: SwarmError) -> None:
        self._say(f"the swarm refused a {kind} of ours: {error}")

    def _held(self, record: Record, error: SwarmError) -> None:
        self._held_back[record.id] += 1
        if self._held_back[record.id] == HELD_TIMES:  # a busy database fails over anything once
            self._say(f"the swarm fails over one {record.kind} of ours ({error}); it is sent again, the others go on")

    def _lost(self, what: int | str, why: str) -> None:
        if isinstance(what, int):
            self._say(f"the claim of run {what} is lost while it runs ({why}); its result will be refused by the swarm")

    def _away(self, why: str, refused: bool) -> None:
        waiting = len(self.outbox.waiting())
        if not why:
            self._quiet_until = 0.0
        if said := self.link.told(why, waiting, refused):
            self._say(said)

    def _say(self, text: str) -> None:
        self._wishes.put(Wish("trouble", {"text": text}))
