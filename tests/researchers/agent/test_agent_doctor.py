"""doctor tells which agents are there and would work, without showing a key."""

from pathlib import Path

from engine.cli.checks import agents
from engine.cli.checks.finding import Machine
from engine.researchers.agent.preset import presets


def machine(tmp_path: Path, **variables: str) -> Machine:
    """A machine whose programs are those in tmp_path/bin."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    path = f"{tmp_path / 'bin'}"
    return Machine(tmp_path, {"PATH": path, "HOME": str(tmp_path), **variables})


def install(tmp_path: Path, name: str, script: str) -> None:
    """A program that is this shell script."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    program = tmp_path / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_with_none_installed_one_note_names_them_all_and_an_install(tmp_path: Path) -> None:
    (finding,) = agents.check(machine(tmp_path))
    assert finding.level == "note" and all(name in finding.text for name in presets())
    assert finding.mend == presets()["claude"].install


def test_an_installed_one_with_a_key_would_work(tmp_path: Path) -> None:
    install(tmp_path, "codex", "echo codex-cli 1.2.3")
    first = agents.check(machine(tmp_path, CODEX_API_KEY="sk-secret-0123456789"))[0]
    assert first.level == "ok" and "codex-cli 1.2.3" in first.text and "CODEX_API_KEY" in first.text
    assert "sk-secret" not in first.text + first.mend


def test_a_login_on_disk_counts_as_credentials(tmp_path: Path) -> None:
    install(tmp_path, "claude", "echo 2.1")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/.credentials.json").write_text("{}")
    assert agents.check(machine(tmp_path))[0].level == "warning"
    (tmp_path / ".claude/.credentials.json").write_text('{"accessToken": "0123456789abcdef"}')
    assert agents.check(machine(tmp_path))[0].level == "ok"


def test_one_without_credentials_or_that_does_not_start_is_a_warning_with_its_mend(tmp_path: Path) -> None:
    install(tmp_path, "claude", "echo 2.1")
    install(tmp_path, "gemini", "exit 3")
    first, second, rest = agents.check(machine(tmp_path))
    assert first.level == "warning" and "no credentials" in first.text and "ANTHROPIC_API_KEY" in first.mend
    assert second.level == "warning" and "fails" in second.text and "npm install" in second.mend
    assert "codex" in rest.text and "claude" not in rest.text
