"""Real agents' programs against a scripted model on loopback: ten experiments each, through the real engine.

Skipped where a program is not installed. To install and run them (node 20 or newer), from the repository's root:

    npm install --prefix ~/.cache/overnight-agents @anthropic-ai/claude-code @openai/codex \\
        @google/gemini-cli opencode-ai @mariozechner/pi-coding-agent
    python3.11 -m venv ~/.cache/overnight-agents/aider && ~/.cache/overnight-agents/aider/bin/pip install aider-chat
    PATH=~/.cache/overnight-agents/node_modules/.bin:~/.cache/overnight-agents/aider/bin:$PATH \\
        python -m pytest -m agents tests/agents
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.session.paths import SessionPaths
from tests.agents.scripted import Server
from tests.loop.lab import ENV, Lab

pytestmark = pytest.mark.agents

MODELS = {
    "claude": "",
    "codex": "scripted",
    "gemini": "gemini-2.5-flash",
    "opencode": "anthropic/claude-sonnet-4-5",
    "pi": "anthropic/claude-sonnet-4-5",
    "aider": "openai/gpt-4o",
}
SETTINGS = """[researcher]
kind = "agent"
agent = "{agent}"
model = "{model}"
base_url = "{url}"
key_env = "{key}"
fallback = ""
timeout_s = 120.0
give_up_after = 1

[gate]
jump = 0

[guard]
sandbox = "auto"
"""
KEYS = {"codex": "CODEX_API_KEY", "gemini": "GEMINI_API_KEY", "aider": "OPENAI_API_KEY"}
PI = {"providers": {"anthropic": {"baseUrl": "{url}"}}}
FILES = {
    "gemini": {".gemini/settings.json": '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'},
    "pi": {".pi/agent/models.json": json.dumps(PI)},
}
"""What a user would have configured: without it, another server than the maker's own is refused or not found."""
SECRET = "sk-loopback-0123456789"


class Night:
    """A toy session whose researcher is the real program `agent`, which talks to `server`."""

    def __init__(self, folder: Path, agent: str, server: Server, patch: pytest.MonkeyPatch) -> None:
        if shutil.which(agent) is None:
            pytest.skip(f"{agent} is not installed (see the top of this file)")
        home = folder / "home"
        home.mkdir()
        for name, text in FILES.get(agent, {}).items():
            (home / name).parent.mkdir(parents=True)
            (home / name).write_text(text.replace("{url}", server.url))
        key = KEYS.get(agent, "ANTHROPIC_API_KEY")
        for name, value in (("HOME", str(home)), (key, SECRET), ("XDG_CONFIG_HOME", ""), ("XDG_DATA_HOME", "")):
            patch.setitem(ENV, name, value) if value else ENV.pop(name, None)
        settings = SETTINGS.format(agent=agent, model=MODELS[agent], url=server.url, key=key)
        self.lab = Lab(folder / "toy", settings=settings)

    def run(self, experiments: int) -> None:
        """Let the real engine run so many."""
        done = self.lab.overnight(
            "start", str(self.lab.root), "--foreground", "--experiments", str(experiments), timeout=240
        )
        assert done.returncode == 0, done.stderr

    def kept_text(self) -> str:
        """Everything that is written down about the night."""
        private = SessionPaths(self.lab.root).private
        files = [path for path in private.rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in [*files, *self.lab.root.glob("*.jsonl")])


@pytest.mark.parametrize("agent", MODELS)
def test_ten_experiments_by_the_real_program(agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server:
        night = Night(tmp_path, agent, server, monkeypatch)
        night.run(10)
    state = night.lab.state()
    results = [one for one in state.experiments if not one.is_baseline]
    told = [(one.description, one.status, one.failed) for one in results]
    assert len(results) == 10 and all(one.researcher == agent for one in results), told
    assert all(one.status == "keep" for one in results[:10]), told
    assert all(" to " in one.description and one.asi["hypothesis"] for one in results), told
    assert all(one.usage["input_tokens"] > 0 and one.usage["output_tokens"] > 0 for one in results)
    assert state.champion is not None and state.champion.metric is not None and state.champion.metric < 1.05
    log = (night.lab.paths.run(2) / "researcher.log").read_text()
    assert ("→ " in log or "Applied edit to train.py" in log) and "I changed" in log
    assert "Lower val_bpb." in (night.lab.paths.run(2) / "prompt.md").read_text()
    assert SECRET not in night.kept_text()
    assert not list((night.lab.paths.private / "agent").iterdir())
    assert night.lab.git("status", "--porcelain") == ""


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit"), (401, "credentials")])
@pytest.mark.parametrize("agent", MODELS)
def test_the_real_programs_refusals_are_told_apart(
    agent: str, status: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.researchers.agent import Agent
    from engine.researchers.base import ResearcherFailed
    from engine.session import settings as session_settings
    from tests.researchers.agent.playing import Stage

    with Server(refuse=status) as server:
        night = Night(tmp_path, agent, server, monkeypatch)
        for name in (*KEYS.values(), "ANTHROPIC_API_KEY", "HOME", "PATH"):
            if name in ENV:
                monkeypatch.setenv(name, ENV[name])
        stage = Stage(tmp_path / "other", "")
        given = session_settings.load(night.lab.paths.settings)
        stage.settings, stage.agent = given, Agent(stage.lab.root, given)
        with pytest.raises(ResearcherFailed) as caught:
            stage.agent.propose(stage.brief())
    assert caught.value.kind == kind, str(caught.value)
    assert SECRET not in str(caught.value) + stage.log() + os.linesep
