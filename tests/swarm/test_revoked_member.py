"""What a member at work hears when the swarm's owner revokes it."""

from pathlib import Path
from typing import Any

import msgspec

from engine.session.state import State
from engine.swarm.member import Member
from tests.swarm.loopback import hub
from tests.swarm.membering import enlist, standing, until


def test_a_member_that_is_revoked_hears_that_and_not_that_nobody_answers(tmp_path: Path) -> None:
    with hub(tmp_path) as there:
        paths, joined = enlist(there.store, tmp_path / "unused.db", tmp_path / "amy", "amy")
        one = Member(paths, msgspec.structs.replace(joined, where=there.url), 0.05)
        try:
            one.stand(standing())
            until(lambda: one.hints().sections or one.link.path.exists())
            there.store.revoke("amy")
            heard: list[Any] = []
            until(lambda: heard.extend(w.args["text"] for w in one.wishes(State()) if w.kind == "trouble") or heard)
            assert "takes nothing from this session" in heard[0] and "revoked" in heard[0]
            assert not any("does not answer" in text for text in heard)
        finally:
            one.close()
