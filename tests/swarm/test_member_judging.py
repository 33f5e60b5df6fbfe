"""What a member takes from its swarm's knowledge of results: what is worth a re-run next, and what counts as done."""

from pathlib import Path
from typing import Any

from engine.session.state import State
from engine.swarm.collective import Standing, Wish
from engine.swarm.member import Member
from tests.swarm.membering import KLASS, account, make, member, print_of, standing, until


def judging(rerun: set[str], metric: float = 1.0) -> Standing:
    return standing(rerun=frozenset(rerun), metric=metric, verify=True)


def asked(one: Member, wishes: list[Wish]) -> list[Wish]:
    wishes += one.wishes(State())
    return [wish for wish in wishes if wish.kind == "verify"]


def test_a_re_run_is_ended_before_the_next_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob, cid = (member(store, file, tmp_path / name, name) for name in ("amy", "bob", "cid"))
    amy.tell(account(2, "good", 0.98))
    bob.tell(account(2, "fair", 0.99))
    until(lambda: len(store.queue(KLASS)) == 2)
    wishes: list[Wish] = []
    cid.stand(judging(set()))
    until(lambda: asked(cid, wishes))
    first = asked(cid, wishes)[0].args
    cid.stand(judging({first["result"]}))  # it is queued now, and does not run yet
    before = cid.hints()
    until(lambda: cid.hints() is not before)
    before = cid.hints()
    until(lambda: cid.hints() is not before)
    assert len(asked(cid, wishes)) == 1
    cid.judge("c1", first, KLASS, {f"seed_{seed}": 0.9801 for seed in first["seeds"].split()}, 30.0)
    until(lambda: not store.queue(KLASS))
    cid.let_go(first["result"], False)
    before = cid.hints()
    until(lambda: cid.hints() is not before)
    assert len(asked(cid, wishes)) == 1, "0.99 would not be the best any more"
    for one in (amy, bob, cid):
        one.close()


def test_what_is_worse_than_ones_own_best_would_not_be_the_best_and_is_not_re_run(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, cid = (member(store, file, tmp_path / name, name) for name in ("amy", "cid"))
    amy.tell(account(2, "fair", 0.99))
    until(lambda: store.queue(KLASS))
    wishes: list[Wish] = []
    cid.stand(judging(set(), 0.98))
    before = cid.hints()
    until(lambda: cid.hints() is not before)
    before = cid.hints()
    until(lambda: cid.hints() is not before)
    assert not asked(cid, wishes)
    amy.tell(account(3, "good", 0.97))
    until(lambda: asked(cid, wishes))
    assert asked(cid, wishes)[0].args["metric"] == "0.97"
    for one in (amy, cid):
        one.close()


def test_what_re_runs_refuted_is_not_told_to_be_done_but_to_its_author(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob, cid = (member(store, file, tmp_path / name, name) for name in ("amy", "bob", "cid"))
    amy.tell(account(2, "lucky", 0.9))
    amy.tell(account(3, "plain", 0.95))
    until(lambda: len(store.results()) == 2)
    row = next(row for row in store.results() if row.record.body["metric"] == 0.9)
    args: dict[str, Any] = {"result": row.record.id, "code": row.record.body["code"]}
    bob.judge("c1", args, KLASS, {"seed_5": 0.97, "seed_6": 0.971}, 30.0)
    until(lambda: {row.state for row in store.results()} == {"refuted", "reported"})
    for one, done in ((cid, {"plain"}), (amy, {"plain", "lucky"})):
        one.stand(judging({row.record.id}))
        until(lambda one=one, done=done: one.hints().done == {print_of(what) for what in done})  # type: ignore[misc]
    for one in (amy, bob, cid):
        one.close()
