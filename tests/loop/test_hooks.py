"""hooks/before and hooks/after: what they get, where their words go, and what a bad one costs."""

from pathlib import Path

from engine.loop.main import run
from engine.session.settings import Limits
from tests.loop.lab import Lab


def hook(lab: Lab, name: str, text: str, mode: int = 0o755) -> None:
    (lab.root / "hooks").mkdir(exist_ok=True)
    path = lab.root / "hooks" / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)


def test_hooks_get_json_around_each_proposal_and_result(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    for name in ("before", "after"):
        hook(lab, name, f"cat >> {tmp_path}/{name}; echo >> {tmp_path}/{name}\n")
    run(lab.paths, limits=Limits(experiments=2))
    before, after = ((tmp_path / name).read_text() for name in ("before", "after"))
    assert before.count('"event":"before"') == 2 and '"run":2' in before and '"champion"' in before
    assert after.count('"event":"after"') == 3 and '"status":"keep"' in after


def test_a_failing_hook_is_told_and_the_loop_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    hook(lab, "before", "echo out of ideas >&2; exit 3\n")
    hook(lab, "after", "true\n", mode=0o644)
    run(lab.paths, limits=Limits(experiments=1))
    told = "\n".join(text for _, text in lab.state().troubles)
    assert "hooks/before failed (exit code 3): out of ideas" in told and "chmod +x hooks/after" in told
    assert len(lab.state().experiments) == 2
