"""The mirror: every experiment once in each tracker, whatever fails in between."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.trackers.mirroring import Mirror, cursor, folder
from engine.trackers.record import LOSS, POINTS
from engine.trackers.tracker import TrackerTrouble, sent
from tests.cli.story import Story
from tests.trackers.standin import Standin


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A session of five runs with one curve."""
    story = Story(tmp_path / "s1").night()
    run = story.paths.run(2)
    run.mkdir(parents=True)
    lines = [f"step {step:05d} ({step / 3000:.1%}) | loss: {9 - step / 400:.6f} |\r" for step in range(3000)]
    (run / "run.log").write_text("".join(lines) + "\n")
    return story


def test_each_experiment_is_a_record_with_settings_curve_and_result(story: Story, tmp_path: Path) -> None:
    there = Standin(tmp_path / "there")
    assert Mirror(story.paths, [there]).bring() == []
    records = there.records()
    assert sorted(records) == [1, 2, 3, 4, 5]
    kept = records[2]
    assert kept["config"]["ALPHA"] == "0.2" and kept["config"]["description"] == "ALPHA 0.9→0.2"
    assert kept["summary"]["val_bpb"] == 1.9 and kept["summary"]["status"] == "keep" and kept["summary"]["kept"] == 1
    steps = [step for step, _ in kept["history"]]
    assert 100 < len(steps) <= POINTS and steps == sorted(set(steps)) and steps[0] == 0
    assert "val_bpb" not in records[4]["summary"] and records[4]["summary"]["status"] == "crash"
    assert LOSS == "train/loss"


def test_only_what_is_new_is_written_again(story: Story, tmp_path: Path) -> None:
    there = Standin(tmp_path / "there")
    Mirror(story.paths, [there]).bring()
    second = Mirror(story.paths, [there])
    assert second.bring() == [] and (there.puts, there.pushes) == (5, 1)
    story.experiment("keep", 1.7, "ALPHA 0.5→0.6")
    assert second.bring() == [] and (there.puts, there.pushes) == (6, 2)
    assert second.waiting() == 0


def test_a_later_decision_makes_the_record_again(story: Story, tmp_path: Path) -> None:
    there = Standin(tmp_path / "there")
    mirror = Mirror(story.paths, [there])
    mirror.bring()
    story.write(
        ev.CommandQueued(at=story.tick(), id="c", kind="revert", args={"run": "5"}, by="anna"),
        ev.Overridden(
            at=story.tick(),
            command="c",
            kind="revert",
            run=5,
            line=(1, 2),
            statuses={5: "discard"},
            withdrawn=(),
            by="anna",
        ),
    )
    assert mirror.bring() == []
    assert there.puts == 6 and there.records()[5]["summary"]["status"] == "discard"


def test_without_a_network_everything_waits_and_goes_when_it_is_back(story: Story, tmp_path: Path) -> None:
    there = Standin(tmp_path / "there")
    mirror = Mirror(story.paths, [there])
    there.push_failures = 3
    for _ in range(3):
        assert mirror.bring() == ["standin: the network is away"]
        assert mirror.waiting() == 6 and cursor(story.paths, there).trouble == "the network is away"
    assert there.puts == 5
    assert Mirror(story.paths, [there]).bring() == []
    assert cursor(story.paths, there).trouble == "" and there.puts == 5


def test_one_tracker_s_trouble_is_not_another_s(story: Story, tmp_path: Path) -> None:
    bad, good = Standin(tmp_path / "bad"), Standin(tmp_path / "good")
    bad.name, bad.put_failures = "bad", 9
    assert Mirror(story.paths, [bad, good]).bring() == ["bad: the disk is away"]
    assert sorted(good.records()) == [1, 2, 3, 4, 5]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=6))
def test_whatever_fails_or_is_forgotten_every_record_is_there_once(
    story: Story, tmp_path: Path, rounds: list[tuple[int, int, bool]]
) -> None:
    there = Standin(tmp_path / "there")
    for old in there.folder.iterdir():
        old.unlink()
    (folder(story.paths) / "standin.json").unlink(missing_ok=True)
    for put_failures, push_failures, forget in rounds:
        there.put_failures, there.push_failures = put_failures, push_failures
        Mirror(story.paths, [there]).bring()
        if forget:  # a crash between a record and the file that says so
            (folder(story.paths) / "standin.json").unlink(missing_ok=True)
    there.put_failures = there.push_failures = 0
    assert Mirror(story.paths, [there]).bring() == []
    assert sorted(there.records()) == [1, 2, 3, 4, 5] and len(list(there.folder.iterdir())) == 5


def test_another_project_or_another_session_begins_from_the_first_experiment(story: Story, tmp_path: Path) -> None:
    Mirror(story.paths, [Standin(tmp_path / "there")]).bring()
    other = Standin(tmp_path / "other", target="elsewhere")
    Mirror(story.paths, [other]).bring()
    assert len(other.records()) == 5
    story.paths.journal.write_bytes(story.paths.journal.read_bytes().replace(b'"first"', b'"other"', 1))
    assert cursor(story.paths, other).lines == 0


def test_a_sender_that_hangs_is_ended_with_all_that_it_began(tmp_path: Path) -> None:
    script = f"sh -c 'echo $$ > {tmp_path}/child; exec sleep 600' & wait"
    with pytest.raises(TrackerTrouble, match="no answer within"):
        sent(["sh", "-c", script], 2.0)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 60
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)
    with pytest.raises(TrackerTrouble, match=r"^no key$"):
        sent(["sh", "-c", "echo first; echo no key >&2; exit 1"], 60.0)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
