"""What the outbox's letters meet: refusals that pass, refusals for good, and another swarm at the same address."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.swarm.api import Stored, SwarmError, Unreachable
from engine.swarm.deliverer import deliver
from engine.swarm.outbox import Letter, Outbox
from engine.swarm.records import Hypothesis, Insight, Record
from engine.swarm.store.store import Store
from tests.swarm.actor import Actor
from tests.swarm.crowd import members, refused
from tests.swarm.membering import make


class Refusing:
    """A store that takes no record."""

    def __init__(self, store: Store, code: str) -> None:
        self.store, self.code = store, code

    def publish(self, record: Record, code: dict[str, str] | None = None) -> Stored:
        raise SwarmError("no", self.code)

    def connect(self) -> object:
        return self.store.connect()


def box(folder: Path, by: Actor) -> Outbox:
    found = Outbox(folder / "outbox")
    found.put(Letter(by.record(Insight(text="learnt"), "insight")))
    return found


def sent(outbox: Outbox, swarm: object, own: Store) -> Callable[[], None]:
    id = own.connect().swarm
    return lambda: deliver(outbox, swarm, id, lambda _: None, lambda kind, why: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["timeout", "rate"])
def test_what_came_too_slowly_or_too_often_is_sent_again(tmp_path: Path, code: str) -> None:
    store = make(tmp_path / "swarm.db")
    outbox = box(tmp_path, members(store, "amy")[0])
    refused(sent(outbox, Refusing(store, code), store), code)
    assert len(outbox.waiting()) == 1 and outbox.refused() == 0
    sent(outbox, store, store)()
    assert not outbox.waiting() and len(store.insights()) == 1


def test_another_swarm_at_the_same_address_gets_nothing_and_loses_nothing(tmp_path: Path) -> None:
    own, other = make(tmp_path / "own.db"), make(tmp_path / "other.db")
    (amy,) = members(own, "amy")
    outbox = box(tmp_path, amy)
    with pytest.raises(Unreachable, match="another swarm"):
        sent(outbox, other, own)()
    Actor(other, "amy", amy.key).join(other.invite())  # known there too: the record is still of the other swarm
    with pytest.raises(Unreachable, match="another swarm"):
        sent(outbox, other, own)()
    assert len(outbox.waiting()) == 1
    sent(outbox, own, own)()
    assert not outbox.waiting() and len(own.insights()) == 1


def test_what_is_refused_for_good_is_counted_and_not_sent_again(tmp_path: Path) -> None:
    store = make(tmp_path / "swarm.db")
    (amy,) = members(store, "amy")
    outbox = box(tmp_path, amy)
    store.revoke("amy")
    sent(outbox, store, store)()
    assert not outbox.waiting() and outbox.refused() == 1
    again = Outbox(outbox.folder)
    assert len(again.known()) == 1 and again.refused() == 1


def test_what_was_left_over_for_a_swarm_that_was_left_does_not_hold_up_the_next_one(tmp_path: Path) -> None:
    old, new = make(tmp_path / "old.db"), make(tmp_path / "new.db")
    (amy,) = members(old, "amy")
    outbox = box(tmp_path, amy)
    later = Actor(new, "amy", amy.key)
    later.join(new.invite())
    outbox.put(Letter(later.record(Insight(text="learnt later"), "insight")))
    sent(outbox, new, new)()
    assert not outbox.waiting() and outbox.refused() == 1 and len(new.insights()) == 1


class Failing:
    """A swarm that fails over some records, by their text, and is there all the same unless it is `gone`."""

    def __init__(self, store: Store, *texts: str, gone: bool = False) -> None:
        self.store, self.texts, self.gone, self.asked = store, texts, gone, 0

    def publish(self, record: Record, code: dict[str, str] | None = None) -> Stored:
        self.asked += 1
        if record.body["text"] in self.texts:
            raise Unreachable("the hub answers 500")
        return self.store.publish(record, code)

    def connect(self) -> object:
        if self.gone:
            raise Unreachable("nobody is there")
        return self.store.connect()


def full(folder: Path, by: Actor, *texts: str) -> Outbox:
    found = Outbox(folder / "outbox")
    for text in texts:
        found.put(Letter(by.record(Insight(text=text), "insight")))
    return found


def test_a_record_that_the_swarm_fails_over_is_held_back_and_the_others_go(tmp_path: Path) -> None:
    store = make(tmp_path / "swarm.db")
    outbox = full(tmp_path, members(store, "amy")[0], "one", "bad", "two")
    held: list[str] = []
    swarm, id = Failing(store, "bad"), store.connect().swarm
    deliver(outbox, swarm, id, lambda _: None, lambda kind, why: None, lambda record, why: held.append(str(why)))  # type: ignore[arg-type]
    assert [row.record.body["text"] for row in store.insights()] == ["two", "one"]
    assert held == ["the hub answers 500"] and len(outbox.waiting()) == 1 and outbox.refused() == 0
    sent(outbox, store, store)()
    assert not outbox.waiting() and len(store.insights()) == 3


def test_what_depends_on_a_record_that_is_held_back_waits_with_it(tmp_path: Path) -> None:
    store = make(tmp_path / "swarm.db")
    (amy,) = members(store, "amy")
    outbox = Outbox(tmp_path / "outbox")
    idea = amy.record(Hypothesis(text="go wide"), "hypothesis")
    outbox.put(Letter(idea))
    outbox.put(Letter(amy.record(Hypothesis(text="tested", state="tested", about=idea.id), "hypothesis")))
    sent(outbox, Failing(store, "go wide"), store)()
    assert len(outbox.waiting()) == 2 and outbox.refused() == 0
    sent(outbox, store, store)()
    assert not outbox.waiting() and len(store.hypotheses(state="tested")) == 1


@pytest.mark.parametrize(("gone", "asked"), [(True, 1), (False, 4)])
def test_a_swarm_that_is_gone_or_fails_over_everything_is_left_alone(tmp_path: Path, gone: bool, asked: int) -> None:
    store = make(tmp_path / "swarm.db")
    texts = [str(n) for n in range(9)]
    outbox = full(tmp_path, members(store, "amy")[0], *texts)
    swarm = Failing(store, *texts, gone=gone)
    refused(sent(outbox, swarm, store), "unreachable")
    assert swarm.asked == asked and len(outbox.waiting()) == 9


def test_many_records_that_the_swarm_fails_over_hold_up_the_others_for_one_round_only(tmp_path: Path) -> None:
    store = make(tmp_path / "swarm.db")
    bad = [f"bad {n}" for n in range(6)]
    outbox = full(tmp_path, members(store, "amy")[0], *bad, "one", "two")
    swarm, id, back = Failing(store, *bad), store.connect().swarm, set[str]()

    def round() -> None:
        deliver(outbox, swarm, id, lambda _: None, lambda kind, why: None, back=back)  # type: ignore[arg-type]

    refused(round, "unreachable")
    round()  # the others go first now, and the swarm that takes them is no swarm that is away
    assert [row.record.body["text"] for row in store.insights()] == ["two", "one"] and len(outbox.waiting()) == 6
    swarm.texts = ()
    round()
    assert not outbox.waiting() and not back and len(store.insights()) == 8


def test_what_depends_on_a_record_that_was_held_back_in_an_earlier_round_is_never_sent_before_it(
    tmp_path: Path,
) -> None:
    store = make(tmp_path / "swarm.db")
    (amy,) = members(store, "amy")
    outbox, id, back = Outbox(tmp_path / "outbox"), store.connect().swarm, set[str]()
    idea = amy.record(Hypothesis(text="go wide"), "hypothesis")
    outbox.put(Letter(idea))
    outbox.put(Letter(amy.record(Hypothesis(text="tested", state="tested", about=idea.id), "hypothesis")))
    for swarm in (Failing(store, "go wide"), store, store):
        deliver(outbox, swarm, id, lambda _: None, lambda kind, why: None, back=back)  # type: ignore[arg-type]
    assert not outbox.waiting() and outbox.refused() == 0 and len(store.hypotheses(state="tested")) == 1
