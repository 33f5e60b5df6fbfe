"""doctor: each check judges what it is shown, and names the exact mend."""

from pathlib import Path

import pytest

from engine.cli.checks import disk, git, gpu, logind, python, terminal, tmux, torch
from engine.cli.checks.finding import Machine, ask


def levels(findings: list) -> list[str]:
    return [finding.level for finding in findings]


def test_every_finding_that_needs_something_names_its_mend(overnight) -> None:
    found = overnight("doctor", "--json").json
    assert {finding["area"] for finding in found["findings"]} == {
        "python", "git", "torch", "gpu", "sandbox", "agents", "disk", "terminal", "tmux", "logind",
    }  # fmt: skip
    for finding in found["findings"]:
        assert finding["text"]
        assert finding["mend"] or finding["level"] in ("ok", "note")
    assert found["ok"] is not any(finding["level"] == "failing" for finding in found["findings"])


def test_one_area_alone(overnight) -> None:
    said = overnight("doctor", "--only", "python")
    assert said.code == 0
    assert all("python" in line for line in said.out.splitlines() if not line.startswith("  "))


def test_a_missing_git_is_failing(overnight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = overnight("doctor", "--only", "git")
    assert said.code == 1
    assert "install git" in said.out


@pytest.mark.parametrize(
    ("said", "level"),
    [("git version 2.39.5", "ok"), ("git version 2.29.2", "failing"), ("git version 1.9", "failing"), ("?", "failing")],
)
def test_git_versions(said: str, level: str) -> None:
    assert git.version(said).level == level


def test_git_without_an_identity_is_only_noted(tmp_path: Path) -> None:
    import os

    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    findings = git.check(Machine(tmp_path, environ))
    assert levels(findings) == ["ok", "note"]
    assert "git config --global user.name" in findings[1].mend


def test_python_below_the_least_is_failing() -> None:
    assert python.version((3, 10, 2)).level == "failing"
    assert python.version((3, 11, 0)).level == "ok"


def test_torch_tells_gpu_and_cpu_apart() -> None:
    facts = {"version": "2.11", "built": "12.8", "cuda": True, "devices": ["NVIDIA H100"], "threads": 8}
    assert "NVIDIA H100" in torch.told(facts).text
    assert torch.told({**facts, "cuda": False, "devices": []}).level == "note"
    assert torch.told({**facts, "cuda": False, "built": None}).level == "ok"


def test_gpus_or_that_there_are_none(tmp_path: Path) -> None:
    findings = gpu.check(Machine(tmp_path, {}))
    assert findings and all(finding.text for finding in findings)


def test_disk_speaks_of_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "a" / "b", {"OVERNIGHT_CACHE": str(tmp_path / "cache")})
    findings = disk.check(machine)
    assert findings[0].text.startswith("sessions:") and str(tmp_path) in findings[0].text
    assert "no data is prepared yet" in findings[-1].text
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "tokens").write_bytes(b"x" * 2_000_000)
    assert "1 files, 2 MB" in disk.check(machine)[-1].text


@pytest.mark.parametrize(("free", "level"), [(50 << 30, "ok"), (1 << 30, "warning"), (1 << 20, "failing")])
def test_little_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, level: str) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    assert disk.space("sessions", tmp_path)[0].level == level


def test_tmux_as_it_comes_hurts_and_mended_it_does_not() -> None:
    plain = tmux.options(
        'escape-time 500\nset-clipboard external\nfocus-events off\ndefault-terminal "screen"\n'
        "terminal-features[0] xterm*:clipboard:ccolour\n"
    )
    mends = [finding.mend for finding in tmux.judge(plain, inside=True)]
    assert "set -s escape-time 10" in mends and "set -s set-clipboard on" in mends
    assert "set -g default-terminal tmux-256color" in mends and "set -s focus-events on" in mends
    mended = tmux.options(
        "escape-time 10\nset-clipboard on\nfocus-events on\ndefault-terminal tmux-256color\n"
        "terminal-features[0] xterm*:clipboard\nterminal-features[1] *:RGB\n"
    )
    assert levels(tmux.judge(mended, inside=True)) == ["ok"]


def test_logind_that_kills_is_found_in_a_drop_in(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    drops = tmp_path / "etc/systemd/logind.conf.d"
    drops.mkdir(parents=True)
    (tmp_path / "etc/systemd/logind.conf").write_text("[Login]\n#KillUserProcesses=yes\nKillExcludeUsers=root ada\n")
    assert logind.judge(logind.configuration(tmp_path), "bob").level == "ok"
    (drops / "50-kill.conf").write_text("[Login]\nKillUserProcesses=yes\n")
    found = logind.judge(logind.configuration(tmp_path), "bob")
    assert found.level == "warning" and "KillUserProcesses=no" in found.mend
    assert logind.judge(logind.configuration(tmp_path), "ada").level == "ok"
    (drops / "90-ours.conf").write_text("[Login]\nKillUserProcesses=no\n")
    assert logind.judge(logind.configuration(tmp_path), "bob").level == "ok"
    assert levels(logind.check(Machine(tmp_path, {}, tmp_path / "empty"))) == ["ok"]


def test_locale_and_colours() -> None:
    assert terminal.encoding("UTF-8").level == "ok"
    assert terminal.encoding("utf8").level == "ok"
    assert terminal.encoding("ASCII").mend == "export LC_ALL=C.UTF-8"
    machine = Machine(Path(), {"LC_ALL": "C", "LANG": "en_US.UTF-8", "TERM": "xterm-256color"})
    assert levels(terminal.check(machine)) == ["warning", "ok"]
    assert terminal.colours({"TERM": "dumb"}).mend


def test_a_program_that_fails_or_is_missing_says_nothing() -> None:
    assert ask("false") is None
    assert ask("no-such-program-anywhere") is None
    assert ask("echo", "hello") == "hello"


def test_a_gpu_is_told_with_its_driver_ability_holder_and_troubles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from engine.gpu import locks
    from engine.gpu.nvml import Driver
    from engine.gpu.samples import GpuProcess, GpuSample

    monkeypatch.setattr(locks, "ROOT", tmp_path)
    free = GpuSample(index=0, uuid="GPU-a", name="NVIDIA H100", used_mb=4, total_mb=81_559, ecc_errors=0)
    other = GpuProcess(2**22 + 1, "python", 40_000)
    used = GpuSample(index=1, uuid="GPU-b", name="NVIDIA A10", used_mb=40_400, total_mb=46_068, processes=[other])
    worn = GpuSample(index=2, uuid="GPU-c", name="Tesla P100", used_mb=4, total_mb=16_384, ecc_errors=2)
    lost = GpuSample(index=3, uuid="", name="not available: GPU is lost")
    lock = locks.take(free, "mar5", "s1")
    driver = Driver("575.57.08", "12.9", {"GPU-a": (9, 0), "GPU-c": (6, 0)})
    found = gpu.told([free, used, worn, lost], driver, None)
    lock.release()
    assert levels(found) == ["ok", "note", "warning", "warning", "ok", "warning"]
    assert "575.57.08, CUDA up to 12.9" in found[0].text
    assert "session mar5 trains on it" in found[1].text and "compute capability 9.0" in found[1].text
    assert f"39.5 GiB in use by 39.1 GiB python (pid {other.pid})" in found[2].text and "--gpu N" in found[2].mend
    assert "2 memory errors" in found[3].text and "free" in found[4].text
    assert "GPU is lost" in found[5].text
    assert levels(gpu.told([], Driver(), "The NVIDIA driver does not answer (mismatch).")) == ["warning"]


def test_what_training_would_use_is_the_templates_own_answer() -> None:
    said = gpu.template('warning\n{"device": "cuda", "dtype": "bfloat16", "attention": "Flash Attention 3"}')
    assert (said.level, said.text) == ("ok", "training there: bfloat16, Flash Attention 3")
    for wrong in (None, "", "Traceback", '{"device": "cpu", "dtype": "float32", "attention": "x"}'):
        assert gpu.template(wrong).level == "warning" and gpu.template(wrong).mend
