"""A kept profile: read whatever is in the file, the newest of a run found, laid out as a table."""

from pathlib import Path

import msgspec
import pytest

from engine.researchers.prompt.profiled import profiled
from engine.session.paths import SessionPaths
from engine.session.profiles import FILE, Costly, Profile, load, newest, table
from engine.session.settings import Researcher, Settings
from tests.researchers.briefs import brief as a_brief

PHASES = {"data": 0.1, "forward": 3.0, "backward": 6.0, "optimizer": 0.9, "gaps": 0.0}
PROFILE = Profile("cpu", False, 30, 10.0, PHASES, 0.1, [Costly("aten::mm", 4.0, 36.0)], run=7)


def put(jobs: Path, id: str, profile: Profile) -> None:
    (jobs / id).mkdir(parents=True)
    (jobs / id / FILE).write_bytes(msgspec.json.encode(profile))


def test_the_table_tells_each_phase_with_its_share_and_the_costliest() -> None:
    text = table(PROFILE)
    assert "30 steps on cpu, 10.00 ms each" in text and "aten::mm" in text
    assert "backward        6.00 ms   60.0%" in text and "gaps  " not in text


def test_the_newest_of_a_run_is_found_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    assert newest(tmp_path / "none", 7) is None
    put(tmp_path, "001", PROFILE)
    put(tmp_path, "002", msgspec.structs.replace(PROFILE, step_ms=8.0))
    put(tmp_path, "003", msgspec.structs.replace(PROFILE, run=8))
    (tmp_path / "004").mkdir()
    (tmp_path / "005").mkdir()
    (tmp_path / "005" / FILE).write_text("{}")
    found = newest(tmp_path, 7)
    assert found is not None and found.step_ms == 8.0 and newest(tmp_path, 9) is None


@pytest.mark.parametrize("text", ["", "[]", '{"device": 1}', "\xff"])
def test_what_is_no_profile_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    assert load(tmp_path / FILE) is None


def test_a_researcher_gets_the_champions_profile_where_the_setting_says_so(tmp_path: Path) -> None:
    brief = a_brief(tmp_path)
    put(SessionPaths(tmp_path).jobs, "001", msgspec.structs.replace(PROFILE, run=brief.champion.run))
    assert profiled(brief) == ""
    asked = msgspec.structs.replace(brief, settings=Settings(researcher=Researcher(profile=True)))
    assert "backward" in profiled(asked)
