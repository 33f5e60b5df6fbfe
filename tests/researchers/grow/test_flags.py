"""Flags in a file: read as argparse would, changed without touching anything else."""

import shlex
from argparse import ArgumentParser

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.grow.flags import read_flags, set_flags, values_of

TEXT = """# how train.py is called
--n_layer 2 --n_embd=128
--dropout 0.1 --mlp_size_layerlist 256 512
--compile --dataset shakespeare_char --bias -1
"""


def test_what_stands_there_is_read() -> None:
    assert values_of(TEXT) == {
        "n_layer": 2,
        "n_embd": 128,
        "dropout": 0.1,
        "mlp_size_layerlist": (256, 512),
        "compile": True,
        "dataset": "shakespeare_char",
        "bias": -1,
    }


def test_a_change_touches_its_flag_alone() -> None:
    new = set_flags(TEXT, {"n_embd": "160", "mlp_size_layerlist": "[256, 256, 512]", "n_layer": "3", "seed": "7"})
    assert (
        new
        == TEXT.replace("--n_layer 2 --n_embd=128", "--n_layer 3 --n_embd=160").replace("256 512", "256 256 512")
        + "--seed 7\n"
    )


def test_a_flag_without_a_value_can_get_one() -> None:
    assert set_flags("--layers --x 1\n", {"layers": "3"}) == "--layers 3 --x 1\n"


names = st.lists(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), min_size=1, max_size=5, unique=True)
numbers = st.one_of(st.integers(-999, 9999), st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 4)))


@settings(max_examples=60, deadline=None)
@given(names, st.data())
def test_what_is_set_is_what_argparse_reads(keys: list[str], data: st.DataObject) -> None:
    values = {key: data.draw(st.one_of(numbers, st.lists(numbers, min_size=2, max_size=4))) for key in keys}
    text = data.draw(st.sampled_from(["", "# nothing yet\n", "--other 5\n", "".join(f"--{k}=1\n" for k in keys)]))
    joined = "=1" in text
    if joined:
        values = {key: value for key, value in values.items() if not isinstance(value, list)}
    new = set_flags(text, {key: repr(value) for key, value in values.items()})
    parser = ArgumentParser(allow_abbrev=False)
    for key, value in values.items():
        kind = float if isinstance(value, (float, list)) else int
        parser.add_argument(f"--{key}", type=kind, nargs="+" if isinstance(value, list) else None)
    seen, _ = parser.parse_known_args(shlex.split(new, comments=True))
    assert {key: getattr(seen, key) for key in values} == values
    assert {
        key: list(v) if isinstance(v := read, tuple) else v for key, read in values_of(new).items() if key in values
    } == values
    assert set_flags(new, {key: flag.source for key, flag in read_flags(new).items()}) == new
