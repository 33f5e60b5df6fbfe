"""prepare.py is run as a child: its narration passes through, its JSON comes back, its failure comes in words."""

import sys
from pathlib import Path

import pytest

from engine.work.preparation import PreparationError, pin_data, prepare


def script(root: Path, text: str) -> Path:
    (root / "prepare.py").write_text(text)
    return root


def test_progress_passes_line_by_line_and_the_json_comes_back(tmp_path: Path) -> None:
    said: list[str] = []
    root = script(
        tmp_path,
        "import json, os, sys\n"
        "sys.stderr.write('one\\n50%\\r100%\\rdone')\n"
        "print('chatter')\n"
        "print(json.dumps({'data_hash': 'abc', 'seed': os.environ.get('OVERNIGHT_SEED'), 'given': sys.argv[1:]}))\n",
    )
    made = prepare(root, arguments=["--data", "x"], on_progress=said.append)
    assert made == {"data_hash": "abc", "seed": None, "given": ["--data", "x"]}
    assert said == ["one", "50%", "100%", "done"]


def test_a_preparation_of_ones_own_may_print_anything(tmp_path: Path) -> None:
    assert prepare(script(tmp_path, "print('ready')\nprint([1])\n")) == {}


def test_a_missing_package_names_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"needs torchish, which .* pip install 'overnight\[train\]'"):
        prepare(script(tmp_path, "import torchish.nn\n"))


def test_what_prepare_says_of_bad_data_is_passed_on(tmp_path: Path) -> None:
    text = (
        "import sys\nprint('reading', file=sys.stderr)\nprint('prepare: no data at x', file=sys.stderr)\nsys.exit(1)\n"
    )
    with pytest.raises(PreparationError, match=r"^prepare: no data at x$"):
        prepare(script(tmp_path, text))


def test_a_crash_is_told_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"ended with code 1: ValueError: odd\nrun it by hand"):
        prepare(script(tmp_path, "raise ValueError('odd')\n"))
    with pytest.raises(PreparationError, match=r"was killed by signal 9"):
        prepare(script(tmp_path, "import os\nos.kill(os.getpid(), 9)\n"))


def test_interrupted_it_ends_its_child(tmp_path: Path) -> None:
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    text = "import os, signal, sys\nprint(os.getpid(), file=sys.stderr, flush=True)\nsignal.pause()\n"
    with pytest.raises(KeyboardInterrupt):
        prepare(script(tmp_path, text), on_progress=interrupt)
    assert not Path(f"/proc/{pids[0]}").exists()


def test_missing_files_and_interpreters_are_told(tmp_path: Path) -> None:
    with pytest.raises(PreparationError, match=r"has no prepare\.py"):
        prepare(tmp_path)
    with pytest.raises(PreparationError, match=r"cannot run .*/missing: No such file"):
        prepare(script(tmp_path, ""), python=str(tmp_path / "missing"))
    assert Path(sys.executable).exists()


def test_the_data_is_pinned_once(tmp_path: Path) -> None:
    script(tmp_path, 'DATA_HASH = ""  # pinned\r\nDATA = "demo"\r\n')
    assert pin_data(tmp_path, "abc") is True
    assert (tmp_path / "prepare.py").read_bytes() == b'DATA_HASH = "abc"  # pinned\r\nDATA = "demo"\r\n'
    assert pin_data(tmp_path, "abc") is False
    assert pin_data(script(tmp_path, "x = 1\n"), "abc") is False
