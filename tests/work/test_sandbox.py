"""The sandbox, with the real program where it works: what is seen and written inside, and what is not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.cli.checks.sandbox import judge
from engine.session.assets import assets_dir
from engine.session.cookie import cookie
from engine.work import leash, sandbox, sweep
from engine.work.sandbox import Rung, SandboxError, rung, trouble, wrap
from engine.work.sandbox_places import minor_of

needs_sandbox = pytest.mark.skipif(rung().name == "none", reason=f"no sandbox here: {rung().why}")
needs_full = pytest.mark.skipif(rung().name != "full", reason=f"no full sandbox here: {rung().why}")


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERNIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "toy"
    for folder in ("toy/.git", "toy/.overnight/runs", "cache/tokens", "home/.ssh"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("train.py", "prepare.py", "overnight.toml"):
        (root / name).write_text("as it was\n")
    (tmp_path / "home/.ssh/id").write_text("secret")
    (tmp_path / "home/.netrc").write_text("secret")
    (tmp_path / "cache/tokens/train").write_text("tokens")
    return root


def inside(session: Path, script: str, **options: object) -> subprocess.CompletedProcess[str]:
    argv = wrap(["sh", "-c", script], options.pop("kind", "train"), session, **options)  # type: ignore[arg-type]
    return subprocess.run(argv, cwd=session, capture_output=True, text=True, timeout=60)


def written(session: Path, *names: str, **options: object) -> list[str]:
    """Those of `names` that can be written in a sandbox."""
    script = "; ".join(f"(echo x >> {name}) 2>/dev/null && echo {name}" for name in names)
    return inside(session, f"{script}; true", **options).stdout.split()


@needs_sandbox
def test_a_run_writes_its_output_and_nothing_that_judges_it(session: Path, tmp_path: Path) -> None:
    names = (
        "run.log",
        "out.txt",
        "train.py",
        "prepare.py",
        "overnight.toml",
        ".git/config",
        ".overnight/journal.jsonl",
    )
    elsewhere = (f"{tmp_path}/cache/tokens/train", "/usr/x", "/etc/x")
    assert written(session, *names, *elsewhere, pinned=["prepare.py"]) == ["run.log", "out.txt"]
    assert (session / "train.py").read_text() == "as it was\n"
    inside(session, f"echo x > {tmp_path}/beside; echo x > {tmp_path}/home/x")
    assert not (tmp_path / "beside").exists() and not (tmp_path / "home/x").exists(), "/tmp is a private one"
    assert "x" not in (tmp_path / "cache/tokens/train").read_text()


@needs_sandbox
def test_a_strict_run_writes_its_log_alone(session: Path) -> None:
    assert written(session, "run.log", "out.txt", "hooks/after", strict=True) == ["run.log"]
    assert (session / "run.log").read_text() == "x\n"


@needs_sandbox
def test_a_hook_made_by_a_run_never_reaches_the_engine(session: Path) -> None:
    inside(session, "mkdir -p hooks; echo echo escaped > hooks/after; chmod +x hooks/after")
    assert not (session / "hooks/after").exists()


@needs_sandbox
def test_the_shipped_benchmark_is_known_by_its_text(session: Path) -> None:
    assert not sandbox.is_template(session, "bash autoresearch.sh")
    (session / "autoresearch.sh").write_bytes((assets_dir() / "autoresearch.sh").read_bytes())
    assert sandbox.is_template(session, "bash autoresearch.sh")
    assert not sandbox.is_template(session, "make bench")


@needs_sandbox
def test_data_is_there_secrets_and_foreign_temporary_files_are_not(session: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    seen = inside(session, f"cat {tmp_path}/cache/tokens/train; cat ~/.ssh/* ~/.netrc {tmp_path}/secret; ls -A /tmp")
    assert seen.stdout.startswith("tokens")
    assert "secret" not in seen.stdout


@needs_sandbox
def test_training_has_no_network_and_an_agent_has(session: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        command = f'{sys.executable} -c "{script}"'
        assert "connected" not in inside(session, command).stdout
        assert "connected" in inside(session, command, kind="agent").stdout


@needs_sandbox
def test_an_agent_writes_its_work_tree_and_what_it_was_given(session: Path, tmp_path: Path) -> None:
    work, config = tmp_path / "work", tmp_path / "home/.codex"
    (work / ".git").mkdir(parents=True)
    config.mkdir()
    names = [f"{work}/train.py", f"{work}/.git/config", f"{config}/state", f"{session}/train.py", f"{session}/x"]
    found = written(session, *names, kind="agent", writable=[work, config], cwd=work)
    assert found == [f"{work}/train.py", f"{config}/state"]


@needs_sandbox
def test_training_on_the_cpu_sees_no_gpu_and_no_rights_are_left(session: Path) -> None:
    seen = inside(session, "ls /dev; grep CapEff /proc/self/status; mount --bind /usr /mnt || echo refused").stdout
    assert "nvidia" not in seen
    assert int(seen.split("CapEff:")[1].split()[0], 16) == 0
    assert "refused" in seen


@needs_full
def test_no_other_process_can_be_seen(session: Path) -> None:
    seen = inside(session, "ls -d /proc/[0-9]* | wc -l").stdout
    assert int(seen) < 8


@needs_sandbox
def test_exit_codes_and_output_pass_through(session: Path) -> None:
    done = inside(session, "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


@needs_sandbox
def test_compile_caches_are_kept_between_runs(session: Path, tmp_path: Path) -> None:
    inside(session, 'echo kernel > "$TORCHINDUCTOR_CACHE_DIR/k"; echo kernel > "$TRITON_CACHE_DIR/k"')
    assert inside(session, 'cat "$TORCHINDUCTOR_CACHE_DIR/k" "$TRITON_CACHE_DIR/k"').stdout == "kernel\nkernel\n"
    assert (tmp_path / "cache/compiled/inductor/k").exists()


@needs_sandbox
def test_under_the_leash_nothing_of_a_sandbox_is_left_and_the_sweep_finds_it(session: Path) -> None:
    mark = cookie(f"sandbox-{os.getpid()}", 1, 1)
    argv = wrap(["sh", "-c", "(setsid sleep 1000 &) ; touch begun; sleep 1000"], "train", session)
    running = leash.start(argv, cwd=session, env=dict(os.environ), grace_s=0.5, cookie=mark)
    deadline = time.monotonic() + 60
    while not (session / "begun").exists():
        assert time.monotonic() < deadline
        assert running.wait(0.02) is None
    assert any(one.name == "sleep" for one in sweep.find(mark))
    running.terminate("the test says so")
    assert running.ended().cause == "terminated"
    assert sweep.find(mark) == []


def test_without_a_sandbox_commands_run_as_they_are_and_it_is_said(
    session: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert wrap(["true"], "train", session, setting="off") == ["true"]
    assert trouble("off") == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    rung.cache_clear()
    try:
        assert rung().name == "none" and "bubblewrap" in rung().how_to_get_higher
        assert wrap(["true"], "train", session) == ["true"]
        assert "without a sandbox" in trouble("auto") and "apt-get install bubblewrap" in trouble("auto")
        with pytest.raises(SandboxError, match=r"guard\.sandbox.*bwrap.*install bubblewrap"):
            trouble("require")
    finally:
        rung.cache_clear()


def test_a_bubblewrap_that_does_not_work_is_told_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bwrap"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for script, name in (("exit 0", "full"), ("case $* in *unshare-pid*) exit 1;; esac", "shared"), ("exit 1", "none")):
        program.write_text(f"#!/bin/sh\n{script.replace('exit 1', 'echo bwrap: not here >&2; exit 1')}\n")
        program.chmod(0o755)
        rung.cache_clear()
        found = rung()
        assert found.name == name
        assert name == "full" or ("bwrap: not here" in found.why and found.how_to_get_higher)
    rung.cache_clear()


def test_doctor_judges_each_rung() -> None:
    assert judge(Rung("full")).level == "ok"
    assert judge(Rung("shared", "why", "mend")).level == "note"
    finding = judge(Rung("none", "it is not installed", "install it"))
    assert (finding.level, finding.mend) == ("warning", "install it") and "not installed" in finding.text


def test_a_gpus_device_file_is_found_by_its_uuid(tmp_path: Path) -> None:
    for bus, uuid, minor in (("0000:01:00.0", "GPU-a", 3), ("0000:02:00.0", "GPU-b", 0)):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text(f"Model: \t\t X\nGPU UUID:  \t {uuid}\nDevice Minor: \t {minor}\n")
    assert (minor_of("GPU-a", tmp_path), minor_of("GPU-b", tmp_path), minor_of("MIG-c", tmp_path)) == (3, 0, None)
