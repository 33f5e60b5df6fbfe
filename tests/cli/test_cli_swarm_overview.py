"""`overnight swarm overview`: what it gathers, what it leaves out, and what it says without the swarm's answer."""

from pathlib import Path
from typing import Any

import pytest

from engine.cli.swarm.overview import FEED, News, gathered, pace
from engine.swarm.api import Member
from tests.cli.conftest import Overnight
from tests.swarm.actor import KLASS, Actor, change
from tests.swarm.loopback import hub
from tests.tui.swarming import EVIL, Lab
from tui import swarmdata

PARTS = ("members", "leaderboard", "feed", "claims", "hypotheses", "queue")


@pytest.fixture
def lab(sessions: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def told(overnight: Overnight, lab: Lab) -> dict[str, Any]:
    """The document, as a program gets it."""
    said = overnight("swarm", "overview", "--json", "-s", str(lab.story.paths.root))
    assert said.code == 0, said.err
    found: dict[str, Any] = said.json
    return found


def test_everything_is_in_one_document_that_the_console_understands(overnight: Overnight, lab: Lab) -> None:
    best = lab.fill()
    document = told(overnight, lab)
    overview = swarmdata.overview(document)
    assert (overview.swarm, overview.name, overview.reachable, overview.trouble) == ("lab", "ann", True, "")
    assert {one.name: (one.alive, one.results, one.own) for one in overview.members} == {
        "ann": (True, 0, True), "bob": (True, 1, False), "cyd": (True, 2, False),
    }  # fmt: skip
    first, second = overview.leaderboard
    assert (first.name, first.verified, first.result, first.by) == ("bob", pytest.approx(0.9709), best, "cyd")
    assert (second.name, second.verified, second.reported, second.own_class) == ("cyd", None, 0.96, True)
    assert second.result == overview.queue[0].id and second.description == "deeper by two"
    assert [one.kind for one in overview.feed] == ["insight", "hypothesis", "result", "result", "verdict", "result"]
    assert [(one.name, one.description, one.live) for one in overview.claims] == [("bob", "BETA2 0.95 to 0.97", True)]
    assert [(one.text, one.priority, one.state) for one in overview.hypotheses] == [("warm up for longer", 1, "open")]
    assert overview.now > 0 and (overview.delivered, overview.waiting) == (0, 0)
    assert not any("email" in member or "key" in member for member in document["members"])


def test_foreign_text_is_whole_in_the_document_and_harmless_for_the_console(overnight: Overnight, lab: Lab) -> None:
    lab.fill()
    document = told(overnight, lab)
    assert document["feed"][0]["text"] == EVIL
    assert "\x1b" not in swarmdata.overview(document).feed[0].text


@pytest.mark.parametrize("hubbed", [False, True])
def test_a_revoked_session_is_told_so_beside_what_it_knows(overnight: Overnight, lab: Lab, hubbed: bool) -> None:
    with hub(lab.file.parent) as found:
        if hubbed:
            path = lab.story.paths.private / "swarm.json"
            path.write_text(path.read_text(encoding="utf-8").replace(str(lab.file), found.url), encoding="utf-8")
        assert not swarmdata.overview(told(overnight, lab)).revoked
        lab.store.revoke("ann")
        overview = swarmdata.overview(told(overnight, lab))
    assert (overview.revoked, overview.reachable, overview.swarm) == (True, not hubbed, "lab")


def test_a_swarm_that_does_not_answer_is_told_beside_what_the_session_knows(overnight: Overnight, lab: Lab) -> None:
    lab.file.rename(lab.file.with_suffix(".away"))
    document = told(overnight, lab)
    assert document["reachable"] is False and str(lab.file) in document["trouble"]
    assert not set(PARTS) & set(document) and document["waiting"] == 0


def test_a_session_in_no_swarm_is_refused_with_what_to_do(overnight: Overnight, lab: Lab) -> None:
    assert overnight("swarm", "leave", "-s", str(lab.story.paths.root)).code == 0
    said = overnight("swarm", "overview", "--json", "-s", str(lab.story.paths.root))
    assert said.code != 0 and "overnight swarm join" in said.json["error"]


def test_what_a_lying_swarm_tells_in_another_form_is_left_out(lab: Lab) -> None:
    """Also what its members did not sign."""
    lab.fill()

    class Liar:
        def __getattr__(self, name: str) -> Any:
            return getattr(lab.store, name)

        def leaderboard(self, klass: object) -> list[dict[str, Any]]:
            return [*lab.store.leaderboard(), {"name": 5}, {}]

        def feed(self, after: int, limit: int) -> list[dict[str, Any]]:
            return [*lab.store.feed(after, limit), {"id": [], "kind": "result"}]

        def queue(self, klass: Any) -> list[Any]:
            (row,) = lab.store.queue(klass)
            row.record.body["metric"] = 0.1
            return [row]

    found = gathered(Liar(), lab.store.connect().swarm, "", lab.klass)  # type: ignore[arg-type]
    assert (len(found["leaderboard"]), len(found["feed"]), found["queue"]) == (2, 6, [])


def test_a_members_pace_is_that_of_the_last_hour_or_of_as_much_as_is_known() -> None:
    now = 100_000.0
    bob = Member(id="b", name="bob", key="k", joined=0.0)
    feed = [News(id=str(n), kind="result", at=now - 60 * n, name="bob") for n in range(1, 200)]
    assert pace(bob, feed, now) == pytest.approx(60.0)
    assert pace(Member(id="c", name="cyd", key="k", joined=0.0), feed, now) == 0.0
    crowded = [News(id=str(n), kind="result", at=now - 4 * n, name="bob" if n % 2 else "x") for n in range(1, FEED + 1)]
    assert pace(bob, crowded, now) == pytest.approx(450.0, rel=0.02)
    fresh = Member(id="d", name="bob", key="k", joined=now - 10)
    assert pace(fresh, feed[:1], now) == pytest.approx(6.0), "one result is no pace of hundreds"


def test_a_hub_tells_the_same_as_a_file(tmp_path: Path) -> None:
    with hub(tmp_path) as found:
        amy, bob = Actor(found.client(), "amy"), Actor(found.client(), "bob")
        for actor in (amy, bob):
            actor.join(found.store.invite(), machine="a desk")
        amy.tell("wider", 0.98)
        bob.claim(change("deeper"))
        bob.say("rates above 0.1 diverge", topic="LR")
        reader = found.client(amy.key)
        by_hub = gathered(reader, amy.id, amy.key.member, KLASS)
        by_file = gathered(found.store, amy.id, amy.key.member, KLASS)
    for document in (by_hub, by_file):
        document["now"] = 0.0
    assert swarmdata.overview(by_hub) == swarmdata.overview(by_file)
    assert all(by_hub[part] for part in PARTS if part != "hypotheses")
