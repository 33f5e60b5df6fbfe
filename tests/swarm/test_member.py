"""A member beside a swarm that answers, hangs, breaks or comes back: nobody waits, nothing is lost or doubled."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.session.state import State
from engine.swarm import hints, membership, telling
from engine.swarm.api import Claimed, SwarmError, Unreachable
from engine.swarm.collective import ALONE, CLAIM_S, words
from engine.swarm.member import Member
from engine.swarm.records import Insight
from engine.swarm.store.store import Store
from tests.swarm.actor import files
from tests.swarm.membering import KLASS, account, enlist, intent, make, member, standing, until


def said(one: Member) -> list[str]:
    return [wish.args["text"] for wish in one.wishes(State()) if wish.kind == "trouble"]


def test_one_change_is_granted_once_and_the_other_hears_who_has_it_and_then_what_came_of_it(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    first = amy.claim(intent(2, "wider"))
    assert first.claim and first.token == 1 and not first.taken
    assert "amy is trying this very change now" in bob.claim(intent(2, "wider")).taken
    amy.tell(account(2, "wider", 0.9931, first.claim, first.token))
    until(lambda: store.results())
    assert "done by amy: val_bpb 0.993100, keep" in bob.claim(intent(2, "wider")).taken
    assert bob.claim(intent(2, "deeper")).claim
    amy.close()
    bob.close()


def test_a_proposal_that_a_crash_forgot_gets_its_own_claim_again(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    paths, joined = enlist(store, file, tmp_path / "amy", "amy")
    answers = []
    for _ in range(2):  # the engine dies between the claim and the journal, and another comes
        one = Member(paths, joined)
        answers.append(one.claim(intent(2, "wider")))
        one.close()
    assert answers[0] == answers[1] and answers[0].claim


def test_a_swarm_that_hangs_costs_a_claim_its_limit_once_and_a_lease_that_comes_late_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "swarm.db"
    store, let, asked = make(file), threading.Event(), []
    honest = Store.claim

    def hangs(self: Store, *args: Any) -> Claimed:
        asked.append(args)
        assert let.wait(60)
        return honest(self, *args)

    monkeypatch.setattr(Store, "claim", hangs)
    amy = member(store, file, tmp_path / "amy", "amy", every_s=60)
    began = time.monotonic()
    assert amy.claim(intent(2, "wider")).claim == ALONE
    assert amy.claim(intent(3, "deeper")).claim == ALONE
    assert time.monotonic() - began < 10 * CLAIM_S
    assert len(asked) == 1, "after an unanswered call the next are made alone without asking"
    let.set()
    until(lambda: len(store.claims(live=False)) == 1 and not store.claims(live=True))
    amy.close()


def test_what_is_told_while_the_swarm_is_away_is_delivered_once_when_it_is_back_and_both_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    monkeypatch.setattr("engine.swarm.deliverer.FIRST_S", 0.05)
    monkeypatch.setattr("engine.swarm.deliverer.MOST_S", 0.1)
    amy = member(store, file, tmp_path / "amy", "amy")
    down = threading.Event()
    down.set()

    def stopped(honest: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Store, *args: Any) -> Any:
            if down.is_set():
                raise Unreachable("the database is stopped")
            return honest(self, *args)

        return call

    for name in ("publish", "connect"):
        monkeypatch.setattr(Store, name, stopped(getattr(Store, name)))
    for run in (2, 3, 4):
        amy.tell(account(run, f"change {run}"))
    heard: list[str] = []
    until(lambda: heard.extend(said(amy)) or heard)
    assert heard == [heard[0]] and "the database is stopped" in heard[0] and "alone" in heard[0]
    assert len(amy.outbox.waiting()) == 3 and not store.results()
    down.clear()
    until(lambda: heard.extend(said(amy)) or len(heard) == 2)
    assert "answers again" in heard[1]
    until(lambda: not amy.outbox.waiting())
    assert sorted(row.record.body["run"] for row in store.results()) == [2, 3, 4]
    amy.close()


def test_an_answer_that_was_lost_on_the_way_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    monkeypatch.setattr("engine.swarm.deliverer.FIRST_S", 0.05)
    honest, lost = Store.publish, []

    def forgetful(self: Store, *args: Any) -> Any:
        answer = honest(self, *args)
        if len(lost) < 2:
            lost.append(answer)
            raise Unreachable("the connection broke")
        return answer

    monkeypatch.setattr(Store, "publish", forgetful)
    amy = member(store, file, tmp_path / "amy", "amy")
    amy.tell(account(2, "wider"))
    until(lambda: not amy.outbox.waiting())
    assert len(lost) == 2 and len(store.results()) == 1
    amy.close()


def test_a_record_that_the_swarm_fails_over_again_and_again_is_told_once_and_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    honest, failures = Store.publish, []

    def failing(self: Store, record: Any, *args: Any) -> Any:
        if record.kind == "result" and record.body["run"] == 2:
            failures.append(record)
            raise Unreachable("the hub answers 500")
        return honest(self, record, *args)

    monkeypatch.setattr(Store, "publish", failing)
    amy = member(store, file, tmp_path / "amy", "amy")
    amy.tell(account(2, "poison"))
    amy.tell(account(3, "wider"))
    amy.stand(standing())
    heard: list[str] = []
    until(lambda: heard.extend(said(amy)) or (len(failures) > 6 and amy.hints().sections))
    assert len(heard) == 1 and "fails over one result of ours" in heard[0] and "500" in heard[0]
    assert [row.record.body["run"] for row in store.results()] == [3] and len(amy.outbox.waiting()) == 1
    amy.close()


def test_a_lost_lease_is_told_and_the_late_result_is_refused_by_its_token(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file, lease_s=1.0)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    sleeper = amy.claim(intent(2, "wider"))  # nobody renews it: its engine is stopped
    until(lambda: bob.claim(intent(2, "wider")).claim not in ("", ALONE))
    amy.hold(2, sleeper.claim, sleeper.token)
    heard: list[str] = []
    until(lambda: heard.extend(said(amy)) or heard)
    assert "the claim of run 2 is lost" in heard[0]
    amy.tell(account(2, "wider", 0.99, sleeper.claim, sleeper.token))
    until(lambda: heard.extend(said(amy)) or len(heard) == 2)
    assert "refused a result of ours" in heard[1] and "token" in heard[1]
    assert not store.results() and not amy.outbox.waiting()
    amy.close()
    bob.close()


def test_a_held_lease_outlives_its_end_while_the_run_goes_on_and_is_given_back_without_a_result(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file, lease_s=0.6)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    mine = amy.claim(intent(2, "wider"))
    amy.hold(2, mine.claim, mine.token)
    first = store.claims()[0].until
    until(lambda: store.claims() and store.claims()[0].until > first + 1.2)
    assert bob.claim(intent(2, "wider")).taken
    amy.let_go(2, False)
    until(lambda: bob.claim(intent(2, "wider")).claim)
    assert not said(amy)
    amy.close()
    bob.close()


@pytest.mark.parametrize("off_s", [-3600.0, 3600.0])
def test_a_clock_an_hour_off_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_s: float) -> None:
    file = tmp_path / "swarm.db"
    lease_s = 2.0  # a shorter one ends between two renewals where the machine is busy
    store = make(file, lease_s=lease_s)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    honest = time.time
    monkeypatch.setattr("engine.swarm.member.time.time", lambda: honest() + off_s)
    mine = amy.claim(intent(2, "wider"))
    amy.hold(2, mine.claim, mine.token)
    first = store.claims()[0].until
    until(lambda: store.claims() and store.claims()[0].until > first + lease_s)
    assert bob.claim(intent(2, "wider")).taken
    amy.tell(account(2, "wider", 0.99, mine.claim, mine.token))
    until(lambda: store.results())
    amy.let_go(2, True)
    assert [row.state for row in store.results()] == ["reported"] and not said(amy)
    amy.close()
    bob.close()


def test_hints_are_what_others_said_and_signed_and_forged_rows_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "wider\x1b[31m", 0.99, asi={"learned": "width pays", "next_action_hint": "go to 512"}))
    until(lambda: len(store.insights()) == 1 and store.hypotheses() and store.results())
    bob.stand(standing())
    until(lambda: bob.hints().sections)
    told = "\n".join(line for _, lines in bob.hints().sections for line in lines)
    assert "go to 512" in told and "width pays" in told and "amy: wider" in told and "\x1b" not in told
    assert bob.hints().done == {intent(2, "wider\x1b[31m").fingerprint}
    honest = Store.results

    def forging(self: Store, *args: Any, **more: Any) -> Any:
        import msgspec

        rows = honest(self, *args, **more)
        return [msgspec.structs.replace(row, record=msgspec.structs.replace(row.record, at=7.0)) for row in rows]

    monkeypatch.setattr(Store, "results", forging)
    until(lambda: not bob.hints().done)
    amy.close()
    bob.close()


def test_a_hypothesis_is_claimed_while_it_is_tried_open_again_where_that_came_to_nothing_and_tested_in_the_end(
    tmp_path: Path,
) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "wider", 0.99, asi={"next_action_hint": "go to 512"}))
    until(lambda: store.hypotheses())
    short = store.hypotheses()[0].record.id[:8]
    bob.mark(3, (short,), {}, "claimed", 30.0)
    assert not bob.known(), "what was never read is not marked"
    bob.stand(standing())
    until(lambda: short in str(bob.hints().sections))
    bob.mark(3, ("nothing that is known",), {}, "claimed", 30.0)
    bob.mark(3, ("deeper", f"tests [{short}]"), {}, "claimed", 30.0)
    until(lambda: store.hypotheses(state="claimed") and short not in str(bob.hints().sections))
    bob.mark(3, (f"tests [{short}]",), {}, "open", 31.0)
    until(lambda: store.hypotheses(state="open") and short in str(bob.hints().sections))
    bob.mark(4, (f"tests [{short}]",), {}, "claimed", 32.0)
    until(lambda: store.hypotheses(state="claimed") and short not in str(bob.hints().sections))
    bob.tell(account(4, "512 wide", 0.98, asi={"hypothesis": f"[{short}] says so"}))
    until(lambda: [row.record.id[:8] for row in store.hypotheses(state="tested")] == [short])
    amy.close()
    bob.close()


def test_a_hypothesis_is_claimed_and_tested_by_the_change_that_it_names_though_nobody_cites_it(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "faster", 0.99, asi={"next_action_hint": "raising RATE 0.1→0.2 has helped: go on to 0.4"}))
    bob.stand(standing())
    until(lambda: "go on to 0.4" in str(bob.hints().sections))
    for other in ({"RATE": ("0.3", "0.2")}, {"PACE": ("0.2", "0.4")}, {"RATE": ("0.2", "0.4"), "PACE": ("1", "2")}, {}):
        bob.mark(3, ("something else",), other, "claimed", 30.0)
    assert not bob.known()
    params = {"RATE": ("0.3", "0.4")}
    bob.mark(3, ("raise RATE",), params, "claimed", 30.0)
    until(lambda: store.hypotheses(state="claimed") and "go on to 0.4" not in str(bob.hints().sections))
    ended = account(3, "raise RATE", 0.98)
    ended.experiment.params = params
    bob.tell(ended)
    until(lambda: store.hypotheses(state="tested"))
    assert not store.hypotheses(state="claimed")
    amy.close()
    bob.close()


def test_the_insights_on_what_a_session_tried_lately_stand_first_then_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "MATRIX_LR to 0.03", 0.99, asi={"learned": "the oldest of all"}))
    until(lambda: store.insights())
    amy._put(telling.idea("a" * 32, store.connect().swarm, 1.0, Insight(text="by hand", topic="depth")), None)
    until(lambda: len(store.insights()) == 2)
    for run in range(3, 15):
        amy.tell(account(run, f"WIDTH to {run}", 0.99, asi={"learned": f"number {run}"}))
    until(lambda: len(store.insights()) == 14)

    def told() -> list[str]:
        return [line for title, lines in bob.hints().sections if title.startswith("Insights") for line in lines]

    bob.stand(standing())
    until(lambda: told() and "by hand" in told()[0])
    assert "number 14" in told()[1] and "the oldest of all" not in str(told())
    bob.stand(standing(topics=words("lower MATRIX_LR again")))
    until(lambda: "the oldest of all" in told()[0])
    assert "by hand" in told()[1] and len(told()) == 8
    amy.close()
    bob.close()


def test_the_verified_best_of_another_is_wished_for_once(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob, cid = (member(store, file, tmp_path / name, name) for name in ("amy", "bob", "cid"))
    amy.tell(account(2, "wider", 0.99))
    until(lambda: store.results())
    id = store.results()[0].record.id
    bob.stand(standing(verify=True))
    wishes: list[Any] = []
    until(lambda: wishes.extend(bob.wishes(State())) or any(wish.kind == "verify" for wish in wishes))
    asked = next(wish for wish in wishes if wish.kind == "verify").args
    seeds = asked["seeds"].split()
    assert asked["result"] == id and len(set(seeds)) == 3 and "1337" not in seeds
    assert bob.codes.get(asked["code"]) == files("wider")
    cid.stand(standing(verify=True))
    until(lambda: cid.hints().sections)
    assert not [wish for wish in cid.wishes(State()) if wish.kind == "verify"], "one re-runs it at a time"
    bob.judge("c1", asked, KLASS, {f"seed_{seed}": 0.9902 for seed in seeds}, 30.0)
    until(lambda: store.results()[0].state == "verified")
    cid.stand(standing(adopt=True, metric=0.9904))
    amy.stand(standing(adopt=True, metric=1.0))
    bob.stand(standing(adopt=True, metric=1.0))
    until(lambda: wishes.extend(bob.wishes(State())) or any(wish.kind == "adopt" for wish in wishes))
    assert [wish.args["result"] for wish in wishes if wish.kind == "adopt"] == [id]
    assert not [w for one in (amy, cid) for w in one.wishes(State()) if w.kind == "adopt"], "own, or within the noise"
    found = bob.fetch(id)
    assert found.files == files("wider") and found.metric == pytest.approx(0.9902) and found.name == "amy"
    for one in (amy, bob, cid):
        one.close()


def test_foreign_code_that_is_not_what_its_hash_says_is_not_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "wider", 0.99))
    until(lambda: store.results())
    monkeypatch.setattr(Store, "code", lambda self, hash: {"train.py": "print('val_bpb: 0.1')\n"})
    with pytest.raises(SwarmError, match="not what its hash says"):
        bob.fetch(store.results()[0].record.id)
    with pytest.raises(SwarmError, match="no result"):
        bob.fetch("0" * 32)
    amy.close()
    bob.close()


def test_a_membership_is_private_and_a_broken_one_is_told_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    paths, joined = enlist(make(file), file, tmp_path / "amy", "amy")
    for name in (membership.FILE, membership.KEY):
        assert (paths.private / name).stat().st_mode & 0o777 == 0o600
    assert membership.load(paths.private) == joined
    (paths.private / membership.FILE).write_text("{")
    with pytest.raises(SwarmError, match=r"swarm\.json.*join again"):
        membership.load(paths.private)
    membership.end(paths.private)
    assert membership.load(paths.private) is None


def test_a_researcher_hears_what_speaks_against_a_number_of_others(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "too good", 0.1))
    until(lambda: [row.state for row in store.results()] == ["quarantined"])
    bob.stand(standing())
    until(lambda: bob.hints().sections)
    (told,) = (lines for title, lines in bob.hints().sections if "others tried" in title)
    assert told[0].startswith("amy: too good → val_bpb 0.100000") and "not believed so far" in told[0]
    amy.close()
    bob.close()


def test_a_session_whose_code_is_banned_hears_it_once_by_its_run(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy = member(store, file, tmp_path / "amy", "amy")
    amy.tell(account(2, "cheat"))
    amy.tell(account(3, "fair"))
    until(lambda: len(store.results()) == 2)
    store.ban(next(row.record.id for row in store.results() if row.record.body["run"] == 2), "it reads the shard")
    amy.stand(standing())
    heard: list[str] = []
    until(lambda: heard.extend(said(amy)) or heard)
    assert "run 2 (banned by the swarm's owner: it reads the shard)" in heard[0] and "overnight revert" in heard[0]
    amy.tell(account(4, "on it goes"))
    until(lambda: amy.hints().done and len(amy.hints().done) == 3)
    assert said(amy) == []
    amy.close()


def test_what_banned_code_taught_is_told_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    store = make(file)
    amy, bob = (member(store, file, tmp_path / name, name) for name in ("amy", "bob"))
    amy.tell(account(2, "cheat", 0.95, asi={"learned": "reading the shard helps"}))
    amy.tell(account(3, "fair", 0.96, asi={"learned": "wider helps"}))
    until(lambda: len(store.insights()) == 2)
    store.ban(next(row.record.id for row in store.results() if row.record.body["run"] == 2), "it reads the shard")
    bob.stand(standing())
    until(lambda: bob.hints().sections)
    (told,) = (lines for title, lines in bob.hints().sections if title.startswith("Insights"))
    assert len(told) == 1 and "wider helps" in told[0]
    amy.close()
    bob.close()


def test_a_ban_is_heard_of_also_where_many_results_came_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "DONE", 2)
    file = tmp_path / "swarm.db"
    store = make(file)
    amy = member(store, file, tmp_path / "amy", "amy")
    for run in range(2, 6):
        amy.tell(account(run, f"idea {run}"))
    until(lambda: len(store.results()) == 4)
    store.ban(next(row.record.id for row in store.results() if row.record.body["run"] == 2), "it reads the shard")
    amy.stand(standing())
    heard: list[str] = []
    until(lambda: heard.extend(said(amy)) or heard)
    assert "run 2 (banned" in heard[0]
    amy.close()
