"""The mirror beside a real engine: a tracker that hangs never makes the loop wait."""

import os
import signal
from pathlib import Path

from engine.session.locking import engine_of
from engine.trackers import __main__ as beside
from tests.loop.lab import ENV, SETTINGS, Lab

ROOT = Path(__file__).parents[2]
HANGS = '''"""A stand-in for a tracker's package whose every call hangs."""
import os, time
from pathlib import Path

Path(os.environ["HANGING"]).write_text(str(os.getpid()))
time.sleep(600)
'''


def test_an_engine_runs_and_ends_as_ever_while_its_mirror_hangs(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "trackio.py").write_text(HANGS)
    here = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    monkeypatch.setitem(ENV, "PYTHONPATH", here)
    monkeypatch.setitem(ENV, "HANGING", str(tmp_path / "hanging"))
    lab = Lab(tmp_path / "toy", settings=SETTINGS + '\n[mirror]\ntrackio = "night"\n')
    engine = lab.engine("--limits", '{"experiments": 3}')
    try:
        state = lab.wait(lambda state: state.ended >= 3 and (tmp_path / "hanging").exists())
        assert all(e.status for e in state.experiments[:3])
        lab.overnight("stop", str(lab.root))
        assert engine.wait(60) == 0
        assert engine_of(lab.paths.lock) is None
        assert Path(f"/proc/{(tmp_path / 'hanging').read_text()}").exists()
    finally:
        if engine.poll() is None:
            engine.kill()
            engine.wait()
        assert engine.stderr is not None
        engine.stderr.close()
        if (tmp_path / "hanging").exists():
            os.kill(int((tmp_path / "hanging").read_text()), signal.SIGKILL)


def test_when_the_engine_has_gone_a_tracker_that_fails_is_soon_let_be(tmp_path: Path, monkeypatch) -> None:
    looks, waits = iter([object()] * 8), []

    class Failing:
        def __init__(self, *_: object) -> None:
            pass

        def bring(self) -> list[str]:
            return ["trackio: no network"]

    monkeypatch.setattr(beside, "engine_of", lambda _: next(looks, None))
    monkeypatch.setattr(beside, "Mirror", Failing)
    monkeypatch.setattr(beside, "_rest", lambda _, seconds: waits.append(seconds))
    assert beside.main(tmp_path) == 1
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 5, 10], "a night's waits grow; the last ones are short"
