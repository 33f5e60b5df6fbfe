"""What it takes to repeat a run is written down when it starts, once."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

from engine.loop.main import run
from engine.session.settings import Limits
from engine.work import provenance
from engine.work.provenance import Provenance
from tests.loop.lab import BENCHMARK, Lab

PREPARE = 'DATA = "demo"\nDATA_HASH = "abc123"\nTOKENIZER = "bpe"\nBUDGET = 80\nBUDGET_UNIT = "steps"\nOTHER = 1\n'


def read(lab: Lab, number: int) -> Provenance:
    return msgspec.json.decode((lab.paths.run(number) / provenance.FILE).read_bytes(), type=Provenance)


def test_each_run_tells_commit_settings_seed_data_versions_and_machine(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    (lab.root / "prepare.py").write_text(PREPARE)
    lab.git("commit", "-qam", "data")
    run(lab.paths, limits=Limits(experiments=2))
    for experiment in lab.state().experiments:
        found = read(lab, experiment.run)
        assert (found.run, found.commit, found.seed) == (experiment.run, experiment.commit, 1337)
        assert found.settings_sha256 == hashlib.sha256((lab.root / "overnight.toml").read_bytes()).hexdigest()
        assert found.settings.gate.jump == 0 and found.command == "bash autoresearch.sh"
        assert found.data["DATA_HASH"] == "abc123" and found.data["BUDGET"] == "80" and "OTHER" not in found.data
        assert found.pinned["prepare.py"] == hashlib.sha256(PREPARE.encode()).hexdigest()
        assert found.python == platform.python_version() and found.versions["overnight"] == version("overnight")
        assert found.machine.host == platform.node() and found.machine.kernel == platform.release()
        assert found.machine.gpu is None and found.machine.cpus > 0


def test_it_is_written_once_also_when_a_rerun_asks_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / provenance.FILE
    assert provenance.wanted(path, "c1")
    lab = Lab(tmp_path / "toy")
    run(lab.paths, limits=Limits(experiments=1))
    assert not provenance.wanted(lab.paths.run(1) / provenance.FILE, lab.state().experiments[0].commit)
    assert provenance.wanted(lab.paths.run(1) / provenance.FILE, "a mended commit")


def test_a_disk_that_fails_harms_no_run(tmp_path: Path) -> None:
    block = 'mkdir -p "../toy/.overnight/runs/0002/provenance.json/x" 2>/dev/null\n'
    lab = Lab(tmp_path / "toy", benchmark=block + BENCHMARK)
    run(lab.paths, limits=Limits(experiments=1))
    assert [e.trials[0].outcome for e in lab.state().experiments] == ["ok", "ok"]


def test_the_drivers_version_is_found_in_both_shapes_that_nvidia_writes(tmp_path: Path) -> None:
    path = tmp_path / "version"
    path.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\nGCC version: 12.2.0\n")
    assert provenance.driver(path) == "535.183.01"
    path.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n")
    assert provenance.driver(path) == "570.86.15"
    assert provenance.driver(tmp_path / "none") == ""
