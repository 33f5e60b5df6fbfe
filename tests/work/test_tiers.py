"""The tier of a machine: between two rows the lower, and no card loses its row for a few hundred missing megabytes."""

from pathlib import Path

import pytest

from engine.gpu import nvml
from engine.session.assets import assets_dir
from engine.work.constants import read_constants, set_constants
from engine.work.tiers import TierError, choose, constants, pick, read
from tests.gpu.standin import Binding, Card

ROWS = read()


@pytest.mark.parametrize(
    ("vram_gb", "tier"),
    [
        (None, "cpu"),
        (2.0, "cpu"),
        (4.0, "vram-4"),
        (7.99, "vram-8"),
        (10.0, "vram-8"),
        (11.0, "vram-8"),
        (15.0, "vram-16"),
        (22.5, "vram-24"),
        (23.99, "vram-24"),
        (40.0, "vram-32"),
        (79.6, "vram-80"),
        (139.0, "vram-80"),
    ],
)
def test_the_row_that_a_card_gets(vram_gb: float | None, tier: str) -> None:
    assert pick(vram_gb, ROWS).id == tier


@pytest.mark.parametrize("asked", ["vram-24", "24", "24GB", "24 GB", "VRAM-24"])
def test_a_row_is_found_by_its_id_its_name_or_its_memory(asked: str) -> None:
    assert choose(asked, ROWS).id == "vram-24"


def test_an_unknown_tier_is_refused_with_those_there_are() -> None:
    with pytest.raises(TierError, match="no tier 'huge'; there are: auto, cpu, vram-4"):
        choose("huge", ROWS)


def test_auto_finds_a_row_on_any_machine() -> None:
    assert choose("auto", ROWS) in ROWS


def test_auto_goes_by_the_gpus_that_the_shell_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    binding = Binding(Card("GPU-1", total=81_559), Card("GPU-2", total=24_564))
    monkeypatch.setattr(nvml, "_pynvml", lambda: binding)
    for allowed, tier in (("0,1", "vram-80"), ("1", "vram-24"), ("GPU-2", "vram-24"), ("", "cpu")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        assert choose("auto", ROWS).id == tier
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert choose("auto", ROWS).id == "vram-80"


def test_a_broken_table_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tiers.toml"
    for text, said in [("[cpu", "tiers.toml: "), ('[cpu]\nname = "x"\n', "vram_gb"), ("x = 1\n", "tiers.toml: ")]:
        path.write_text(text)
        with pytest.raises(TierError, match=said):
            read(path)
    with pytest.raises(TierError, match=r"tiers\.toml"):
        read(tmp_path / "absent" / "tiers.toml")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_constant_of_every_row_is_one_of_the_template(row: object) -> None:
    for file, values in (("train.py", row.train), ("prepare.py", row.prepare)):  # type: ignore[attr-defined]
        text = (assets_dir() / file).read_text()
        wanted = constants(values)
        written = read_constants(set_constants(text, wanted))
        assert {name: written[name] for name in wanted} == wanted
