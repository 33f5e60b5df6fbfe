"""A session whose swarm is a hub: killed in the middle of the night, started again, nothing lost or doubled."""

import json
from pathlib import Path

import pytest

from engine.swarm.collective import ALONE
from engine.swarm.embedded import open as opened
from tests.loop.test_swarm_nights import lab, night, troubles
from tests.swarm.hubprocess import HubProcess

pytest.importorskip("starlette", reason="the extra `swarm` is not installed")
pytest.importorskip("uvicorn", reason="the extra `swarm` is not installed")


def test_a_hub_that_is_killed_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy = lab(tmp_path / "amy")
    hub = HubProcess(str(file), tmp_path).start()
    try:
        token = hub.invite()
        joined = amy.overnight("swarm", "join", hub.url, "--invitation", token, "--name", "amy", "-s", str(amy.root))
        assert joined.returncode == 0, joined.stderr
        night([amy], 2)
        assert all(e.claim not in ("", ALONE) for e in amy.state().experiments[1:])
        engine = amy.engine("--limits", '{"experiments": 300}')  # ended below, after the outage
        amy.wait(lambda state: state.ended >= 4)
        hub.kill()
        amy.wait(lambda state: any(e.claim == ALONE for e in state.experiments) and state.ended >= 8)
        hub.start()
        amy.wait(lambda state: "answers again" in "\n".join(text for _, text in state.troubles), 120)
        engine.terminate()
        _, said = engine.communicate(timeout=60)
        assert "goes on alone" in troubles(amy), said
        night([amy], 1)
        best = amy.overnight("swarm", "best", "--json", "-s", str(amy.root))
        assert json.loads(best.stdout)["best"][0]["name"] == "amy"
    finally:
        hub.kill()
    told = [row.record.body["run"] for row in opened(file).results(limit=500)]
    ran = [e.run for e in amy.state().experiments if e.trials and "interrupted" not in e.flags]
    assert sorted(told) == ran
