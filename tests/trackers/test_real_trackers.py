"""The installed trackers themselves, without a network: records are read back from what they wrote."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli.story import Story
from tests.loop.lab import ENV

ROOT = Path(__file__).parents[2]
WANDB = """
import json, sys
from pathlib import Path
from wandb.proto import wandb_internal_pb2

def scanned(data):  # the log format of LevelDB: blocks of 32 KiB, pieces of (crc, length, type)
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""

found = {}
for path in Path(sys.argv[1]).glob("wandb/offline-run-*/run-*.wandb"):
    one = {"history": 0, "summary": {}}
    for data in scanned(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            one["name"], one["group"] = record.run.display_name, record.run.run_group
        elif kind == "history":
            one["history"] += 1
        elif kind == "summary":
            for item in record.summary.update:
                one["summary"][item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    found.setdefault(path.stem, []).append(one)
print(json.dumps(found))
"""
TRACKIO = """
import json, sys, trackio
from trackio.sqlite_storage import SQLiteStorage
print(json.dumps([
    {"name": run.name, "config": run.config, "logs": SQLiteStorage.get_logs(sys.argv[1], run.name, run_id=run.id)}
    for run in trackio.Api().runs(sys.argv[1])
]))
"""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A session of five runs, one of them with a curve, that names a tracker."""
    story = Story(tmp_path / "s1").night()
    run = story.paths.run(2)
    run.mkdir(parents=True)
    lines = [f"step {step:05d} ({step}%) | loss: {9 - step / 40:.6f} |\n" for step in range(100)]
    (run / "run.log").write_text("".join(lines))
    return story


def python(tmp_path: Path, *arguments: str) -> str:
    """What a Python program prints, with the trackers' files in the test's folder."""
    environment = {**ENV, "HOME": str(tmp_path), "TRACKIO_DIR": str(tmp_path / "trackio"), "WANDB_SILENT": "true"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=240, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mirrored(story: Story, tmp_path: Path, settings: str) -> Any:
    """The verb, twice, with what it remembers forgotten in between: nothing may be doubled."""
    with story.paths.settings.open("a") as file:
        file.write(f"\n[mirror]\n{settings}\n")
    python(tmp_path, "-m", "engine.cli.front", "mirror", str(story.root))
    for path in (story.paths.private / "mirror").glob("*.json"):
        path.unlink()
    return json.loads(python(tmp_path, "-m", "engine.cli.front", "mirror", "--json", str(story.root)))


@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
def test_trackio_holds_one_run_an_experiment_with_its_curve(story: Story, tmp_path: Path) -> None:
    said = mirrored(story, tmp_path, 'trackio = "night"')
    assert said["trackers"] == [{"tracker": "trackio", "target": "night", "records": 5, "trouble": "", "unsent": 0}]
    runs = {run["config"]["run"]: run for run in json.loads(python(tmp_path, "-c", TRACKIO, "night"))}
    assert sorted(runs) == [1, 2, 3, 4, 5]
    assert runs[2]["name"] == "s1-0002" and runs[2]["config"]["ALPHA"] == "0.2"
    losses = [row["train/loss"] for row in runs[2]["logs"] if "train/loss" in row]
    assert len(losses) == 100 and losses[0] == 9.0
    assert runs[2]["logs"][-1]["val_bpb"] == 1.9 and runs[2]["logs"][-1]["status"] == "keep"


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_holds_one_offline_run_an_experiment_with_its_curve(story: Story, tmp_path: Path) -> None:
    said = mirrored(story, tmp_path, 'wandb = "night"\noffline = true')
    assert said["trackers"] == [{"tracker": "wandb", "target": "night", "records": 5, "trouble": "", "unsent": 0}]
    place = story.paths.private / "mirror" / "wandb"
    runs = json.loads(python(tmp_path, "-c", WANDB, str(place)))
    assert len(runs) == 5 and all(len(one) == 1 for one in runs.values())
    kept = next(one[0] for one in runs.values() if one[0]["name"] == "s1-0002")
    assert kept["group"] == "s1" and kept["history"] == 100
    assert kept["summary"]["val_bpb"] == 1.9 and kept["summary"]["status"] == "keep"


@pytest.mark.skipif(find_spec("trackio") is not None, reason="trackio is installed")
def test_a_tracker_that_is_not_installed_is_told_with_its_mend(story: Story) -> None:
    with story.paths.settings.open("a") as file:
        file.write('\n[mirror]\ntrackio = "night"\n')
    done = story.overnight("mirror", str(story.root))
    assert done.returncode == 1 and 'pip install "overnight[trackio]"' in done.stderr


def test_a_session_without_a_mirror_is_told_how_to_have_one(story: Story) -> None:
    done = story.overnight("mirror", str(story.root))
    assert done.returncode == 4 and "overnight edit mirror.trackio PROJECT" in done.stderr
