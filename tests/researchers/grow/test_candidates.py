"""What a round tries: every parameter raised by multiples, whole numbers whole, lists entry by entry."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.base import ResearcherFailed
from engine.researchers.grow.candidates import plan
from engine.researchers.grow.space import Space, space
from engine.session.assets import assets_dir
from engine.session.settings import Grow
from engine.work.constants import read_constants


def known(text: str, grow: Grow, name: str = "train.py") -> Space:
    return space({name: text}, grow, Path("nowhere"))


def test_the_templates_sizes_grow_one_at_a_time() -> None:
    text = (assets_dir() / "train.py").read_text()
    there = known(text, Grow())
    found = plan(there, Grow())
    assert [one.key for one in found.candidates] == ["DEPTH=3", "N_EMBD=160", "MLP_WIDTH=576", "N_HEAD=5"]
    files, params = there.changed(found.candidates[0].change)
    after = read_constants(files["train.py"])
    # what was derived from DEPTH is written out as it was: only the depth grows
    assert (after["DEPTH"], after["N_EMBD"], after["MLP_WIDTH"], after["N_HEAD"]) == ("3", "128", "512", "4")
    assert params["N_EMBD"] == ("None", "128") and not found.notes


def test_a_file_keeps_its_manner_of_writing() -> None:
    text = "SIZE = 2**15  # tokens\nMANY = 1_000\n"
    grow = Grow({"SIZE": 32768, "MANY": 24})
    there = known(text, grow)
    both = {name: source for one in plan(there, grow).candidates for name, source in one.change.items()}
    assert there.changed(both)[0]["train.py"] == "SIZE = 2**16  # tokens\nMANY = 1_024\n"


def test_lists_grow_entry_by_entry_and_layers_by_a_copy() -> None:
    text = "DEPTH = 3\nMLP_LAYERLIST = [64, 128, 192]\nNAMES = ['a']\nRATES = (0.1, 0.2)\n"
    grow = Grow({"DEPTH": 1, "MLP_LAYERLIST": [8, 0, 16], "RATES": 0.1, "NAMES": 1, "GONE": 1})
    found = plan(known(text, grow), grow)
    assert [(one.key, one.change) for one in found.candidates] == [
        ("DEPTH=4, layer 1 copied", {"DEPTH": "4", "MLP_LAYERLIST": "(64, 128, 128, 192)"}),
        ("MLP_LAYERLIST[0]=72", {"MLP_LAYERLIST": "(72, 128, 192)"}),
        ("MLP_LAYERLIST[2]=208", {"MLP_LAYERLIST": "(64, 128, 208)"}),
        ("RATES[0]=0.2", {"RATES": "(0.2, 0.2)"}),
        ("RATES[1]=0.3", {"RATES": "(0.1, 0.3)"}),
    ]
    assert len(found.notes) == 2 and "GONE" in found.notes[1] and "NAMES" in found.notes[0]
    files, _ = known(text, grow).changed(found.candidates[0].change)
    assert "MLP_LAYERLIST = [64, 128, 128, 192]\n" in files["train.py"]


def test_each_layer_can_be_the_one_that_is_copied() -> None:
    grow = Grow({"n_layer": 1}, layers="each", how="flags")
    found = plan(known("--n_layer 3 --mlp_size_layerlist 1 2 3\n", grow, "train.args"), grow)
    assert [one.value for one in found.candidates] == [{"dup": at, "new_layers": 4} for at in range(3)]
    assert [one.change["mlp_size_layerlist"] for one in found.candidates] == [
        "(1, 1, 2, 3)",
        "(1, 2, 2, 3)",
        "(1, 2, 3, 3)",
    ]


def test_flags_that_are_not_there_are_told_with_what_to_do() -> None:
    with pytest.raises(ResearcherFailed, match=r"scope\.editable"):
        space({"train.py": "X = 1\n"}, Grow(how="flags"), Path("nowhere"))


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.integers(-50, 50), st.floats(-5, 5).map(lambda x: round(x, 3))), st.floats(0.01, 9), st.integers(1, 5)
)
def test_every_step_is_new_of_the_same_kind_and_as_far_as_asked(base: float, increment: float, times: int) -> None:
    grow = Grow({"X": increment}, iterations=times)
    found = plan(known(f"X = {base!r}\n", grow), grow).candidates
    values = [one.value for one in found]
    assert len(set(values)) == len(values) <= times and base not in values
    for value in values:
        assert type(value) is type(base) and isinstance(value, int | float)
        assert min(abs(value - base - m * increment) for m in range(1, times + 1)) <= (
            0.5 if isinstance(base, int) else 1e-9
        )
