"""Files that are not as expected: every byte of the operator's comes back as it was, or the start is refused."""

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.scene import at_rest, daemon, gone, seen, start, verb
from tests.loop.lab import TRAIN, Lab

HERE = os.fsencode(TRAIN)
ODD = {
    "CRLF": HERE.replace(b"\n", b"\r\n"),
    "a byte order mark": b"\xef\xbb\xbf" + HERE,
    "no newline at its end": HERE.rstrip(b"\n"),
    "tabs and a form feed": HERE.replace(b"ALPHA =", b"\x0c\nALPHA ="),
    "text beyond ASCII": HERE + "# naïve ¼ 学習 \U0001f680\n".encode(),
}


def show(lab: Lab, name: str) -> bytes:
    return subprocess.run(["git", "show", name], cwd=lab.root, capture_output=True, check=True).stdout


def committed(lab: Lab, content: bytes) -> None:
    (lab.root / "train.py").write_bytes(content)
    lab.git("commit", "-qam", "an odd file")


@pytest.mark.parametrize("name", ODD)
def test_only_the_constant_differs_after_an_experiment_on_an_odd_train_py(tmp_path: Path, name: str) -> None:
    lab = Lab(tmp_path / "toy")
    committed(lab, ODD[name])
    done = start(lab, "--experiments", "2")
    assert done.returncode == 0, done.stderr
    state = lab.state()
    assert [bool(e.params) for e in state.experiments] == [False, True, True], [e.reason for e in state.experiments]
    for experiment in state.experiments[1:]:
        now = show(lab, f"{experiment.commit}:train.py").splitlines(keepends=True)
        old = ODD[name].splitlines(keepends=True)
        assert len(now) == len(old)
        changed = [a for a, b in zip(old, now, strict=True) if a != b]
        assert changed and all(line.lstrip(b"\x0c").startswith((b"ALPHA", b"BETA")) for line in changed)
        assert all(a.endswith(b"\r\n") == b.endswith(b"\r\n") for a, b in zip(old, now, strict=True))
    at_rest(lab)


def test_an_empty_train_py_is_measured_and_stays_empty(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark="echo METRIC val_bpb=2.0\n")
    committed(lab, b"")
    done = start(lab)
    assert done.returncode == 0 and "nothing left to try" in done.stderr, done.stderr
    assert (lab.root / "train.py").read_bytes() == b"" and lab.state().experiments[0].status == "keep"
    assert lab.git("status", "--porcelain", "train.py") == ""


@pytest.mark.parametrize("bad", [b"def broken(:\n", b"# caf\xe9\n"], ids=["syntax", "no UTF-8"])
def test_a_train_py_that_cannot_be_read_is_told_and_left_alone(tmp_path: Path, bad: bytes) -> None:
    lab = Lab(tmp_path / "toy")
    committed(lab, HERE + bad)
    with daemon(lab) as pid:
        state = lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.failing)
        last = [line for line in lab.paths.journal.read_text().splitlines() if "attempt_failed" in line][-1]
        assert "train.py" in last and "mend the file" in last and state.champion is not None
        os.kill(pid, signal.SIGTERM)
        gone(lab)
    assert (lab.root / "train.py").read_bytes() == HERE + bad
    assert lab.git("status", "--porcelain", "train.py") == ""


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "removed"])
def test_a_train_py_that_is_no_file_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    lab = Lab(tmp_path / "toy")
    train = lab.root / "train.py"
    train.rename(lab.root / "real.py")
    if kind == "folder":
        train.mkdir()
    elif kind != "removed":
        train.symlink_to("real.py" if kind == "link" else "nowhere.py")
    lab.git("add", "-A")
    lab.git("commit", "-qm", "an odd train.py")
    before = seen(lab)
    for way in (("--foreground",), (), ("--dirty",)):
        done = verb(lab, "start", *way)
        assert done.returncode == 4 and "train.py" in done.stderr and "Traceback" not in done.stderr
        if "link" in kind:
            assert "symbolic link" in done.stderr
    assert seen(lab) == before and train.is_symlink() == ("link" in kind)


def test_a_train_py_deleted_since_the_last_commit_is_dirt(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    (lab.root / "train.py").unlink()
    done = verb(lab, "start")
    assert done.returncode == 4 and "checkout -- train.py" in done.stderr
    lab.git("checkout", "--", "train.py")
    assert start(lab).returncode == 0
    at_rest(lab)


@pytest.mark.parametrize(
    "name", ["with spaces  and 'quotes\"", "naïve-学習-🚀", "-dash", "dots..and~tilde^", "new\nline"]
)
def test_a_session_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    lab = Lab(tmp_path / "ordner für alles" / name)
    done = start(lab)
    assert done.returncode == 0, done.stderr
    assert verb(lab, "status", "--json").returncode == 0
    assert verb(lab, "start", "--experiments", "1").returncode == 0
    lab.wait(lambda s: s.engine is not None and s.engine.stopped_at and len(s.experiments) == 3)
    at_rest(lab)


def powerless() -> tuple[str, ...]:
    """A program's prefix that takes root's right to write where the permissions say no."""
    if os.getuid():
        return ()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(23, 1, 0, 0, 0) != 1:
        pytest.skip("the right to drop capabilities is not given here")
    drop = "import ctypes, os, sys; libc = ctypes.CDLL(None); [libc.prctl(24, n, 0, 0, 0) for n in (1, 2)]"
    return (sys.executable, "-c", f"{drop}; os.execv(sys.argv[1], sys.argv[1:])")


@pytest.mark.parametrize("where", [".", ".overnight"])
def test_a_folder_that_cannot_be_written_is_told_by_its_name(tmp_path: Path, where: str) -> None:
    lab = Lab(tmp_path / "toy")
    for path in (lab.paths.private, *((lab.root,) if where == "." else ())):
        path.chmod(0o500)
    before = seen(lab)
    for way in (("--foreground",), ()):
        done = verb(lab, "start", *way, prefix=powerless())
        assert done.returncode == 1 and "Permission denied" in done.stderr and str(lab.root) in done.stderr
        assert "Traceback" not in done.stderr
    assert verb(lab, "status", prefix=powerless()).returncode == 0, "who may only look can look"
    for path in (lab.root, lab.paths.private):
        path.chmod(0o700)
    assert seen(lab) == before
    assert start(lab).returncode == 0
