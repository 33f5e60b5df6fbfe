"""Where this machine has a sandbox, an agent works inside it: its work tree is all that it can change."""

from pathlib import Path

import pytest

from engine.researchers.agent.confinement import homes
from engine.researchers.agent.preset import presets
from engine.work import sandbox
from tests.loop.lab import TRAIN
from tests.researchers.agent.playing import Stage

pytestmark = pytest.mark.skipif(sandbox.rung().name == "none", reason=sandbox.rung().why)

REACHING = """
def tried(what, do):
    try:
        do()
        print(what, "worked")
    except OSError as error:
        print(what, "failed")
session = here.parent.parent.parent
tried("session", lambda: (session / "prepare.py").write_text("BUDGET = 9"))
tried("journal", lambda: (session / ".overnight/journal.jsonl").write_text("{}"))
tried("repository", lambda: (session / ".git/HEAD").write_text("x"))
tried("home", lambda: (pathlib.Path.home() / "left-by-a-test").touch())
tried("keys", lambda: (pathlib.Path.home() / ".ssh/id_ed25519").read_text())
put("ALPHA = 0.9", "ALPHA = 0.8")
hand_in(description="ALPHA 0.9 to 0.8")
"""


def test_its_work_tree_is_all_that_it_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/id_ed25519").write_text("private")
    monkeypatch.setenv("HOME", str(home))
    stage = Stage(tmp_path, REACHING, sandboxed=True)
    proposal = stage.agent.propose(stage.brief())
    assert proposal.files == {"train.py": TRAIN.replace("0.9", "0.8")}
    log = stage.log()
    for what in ("session", "journal", "repository", "keys"):
        assert f"{what} worked" not in log, log
    assert "session failed" in log and "repository failed" in log and "keys failed" in log
    assert stage.untouched()
    assert not (home / "left-by-a-test").exists()


def test_the_time_limit_holds_inside_it(tmp_path: Path) -> None:
    from engine.researchers.base import ResearcherFailed
    from engine.session.cookie import session_id
    from engine.work import sweep

    stage = Stage(tmp_path, 'os.system("setsid sleep 600 &")\ntime.sleep(600)', sandboxed=True, timeout_s=3.0)
    with pytest.raises(ResearcherFailed) as caught:
        stage.agent.propose(stage.brief())
    assert caught.value.kind == "timeout"
    assert not sweep.find(session_id(stage.lab.root))


def test_an_agents_own_configuration_stays_its_own_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude.json").write_text("{}")
    assert homes(presets()["claude"]) == [tmp_path / ".claude", tmp_path / ".claude.json"]
    assert homes(presets()["codex"]) == [tmp_path / ".codex"]
