"""`overnight swarm status`: what waits and how it is sent without an engine, what was refused, and being revoked."""

import secrets
import time
from pathlib import Path

import pytest

from engine.swarm import telling
from engine.swarm.keys import KeyPair
from engine.swarm.membership import load
from engine.swarm.outbox import Letter, Outbox
from engine.swarm.records import Insight
from tests.cli.conftest import Overnight
from tests.swarm.loopback import hub
from tests.tui.swarming import Lab


@pytest.fixture
def lab(sessions: Path, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def left_over(lab: Lab, *texts: str) -> Outbox:
    """Insights that an engine's end left in the outbox."""
    paths = lab.story.paths
    membership = load(paths.private)
    assert membership is not None
    key, outbox = KeyPair.load(Path(membership.key)), Outbox(paths.outbox)
    for text in texts:
        said = telling.idea(secrets.token_hex(16), membership.swarm, time.time(), Insight(text=text))
        outbox.put(Letter(key.signed(said)))
    return outbox


def test_what_a_night_left_over_is_told_and_sent_without_an_engine_once(overnight: Overnight, lab: Lab) -> None:
    left_over(lab, "warm up longer", "half the rate")
    own = ("swarm", "status", "-s", str(lab.story.paths.root))
    before = overnight(*own)
    assert before.code == 0 and "2 wait" in before.out and "overnight swarm status --deliver" in before.out
    assert not lab.store.insights(), "to look sends nothing"
    for _ in range(2):
        after = overnight(*own, "--deliver", "--json")
        assert after.code == 0 and (after.json["delivered"], after.json["waiting"], after.json["refused"]) == (2, 0, 0)
    assert len(lab.store.insights()) == 2
    assert "--deliver" not in overnight(*own).out


def test_what_cannot_be_sent_waits_on_and_the_reason_is_told(overnight: Overnight, lab: Lab) -> None:
    outbox = left_over(lab, "warm up longer")
    lab.file.rename(lab.file.with_suffix(".away"))
    said = overnight("swarm", "status", "--deliver", "-s", str(lab.story.paths.root))
    assert said.code == 0 and "not all is delivered" in said.err and "1 wait" in said.out
    assert len(outbox.waiting()) == 1


@pytest.mark.parametrize("hubbed", [False, True])
def test_a_revoked_session_hears_that_it_is_beside_what_is_known_here(
    overnight: Overnight, lab: Lab, hubbed: bool
) -> None:
    left_over(lab, "warm up longer")
    session = str(lab.story.paths.root)
    with hub(lab.file.parent) as found:
        if hubbed:
            path = lab.story.paths.private / "swarm.json"
            path.write_text(path.read_text(encoding="utf-8").replace(str(lab.file), found.url), encoding="utf-8")
        lab.store.revoke("ann")
        said = overnight("swarm", "status", "-s", session)
        assert said.code == 0 and "revoked: the swarm takes nothing more" in said.out and "1 wait" in said.out
        assert "--deliver" not in said.out
        sent = overnight("swarm", "status", "--deliver", "--json", "-s", session)
    assert "revoked" in sent.err
    assert sent.json["revoked"] and (sent.json["delivered"], sent.json["refused"], sent.json["waiting"]) == (0, 1, 0)
    assert not lab.store.insights()


def test_who_was_revoked_hears_how_to_come_back_under_a_new_key(overnight: Overnight, lab: Lab) -> None:
    lab.store.revoke("ann")
    session = str(lab.story.paths.root)
    overnight("swarm", "leave", "-s", session)
    join = ("swarm", "join", str(lab.file), "--name", "ann2", "-s", session)
    said, key = overnight(*join), lab.story.paths.private / "swarm.key"
    assert said.code == 4 and f"once {key} is moved away" in said.err
    key.rename(key.with_suffix(".old"))
    assert overnight(*join).code == 0
