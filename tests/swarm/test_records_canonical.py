"""Canonical JSON and keys: one text for one value, a signature that fits nothing else."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.swarm.api import SwarmError
from engine.swarm.canonical import NotCanonical, canonical, digest
from engine.swarm.code import hash_of, pack, unpack
from engine.swarm.keys import KeyPair, check, check_record, member_of
from engine.swarm.records import Record

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
KEY = KeyPair.make()


def shuffled(value: Any) -> Any:
    """The same value with every dictionary in the other order."""
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(PLAIN)
def test_it_reads_back_as_the_value_and_the_order_of_keys_is_nothing(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text == canonical(shuffled(value))
    assert canonical(msgspec.json.decode(text)) == text


@given(PLAIN, PLAIN)
def test_different_values_have_different_texts(one: Any, other: Any) -> None:
    def typed(value: Any) -> str:
        return repr(value) if not isinstance(value, dict | list) else repr(shuffled(sorted_deep(value)))

    assert (canonical(one) == canonical(other)) == (typed(one) == typed(other))


def sorted_deep(value: Any) -> Any:
    """Dictionaries in one order, for comparing."""
    if isinstance(value, dict):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, {"a": [1.0, {"b": math.nan}]}, {1: "x"}, "\ud800"])
def test_what_json_cannot_say_is_refused(bad: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(bad)


def test_a_nest_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(NotCanonical):
        canonical(deep)


def test_its_form_is_fixed_for_ever() -> None:
    assert (
        canonical({"b": 1.0, "a": [1, "é", None, True], "c": {}}) == '{"a":[1,"é",null,true],"b":1.0,"c":{}}'.encode()
    )
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(PLAIN, PLAIN)
def test_a_signature_fits_its_value_only(value: Any, other: Any) -> None:
    signature = KEY.sign(value)
    check(KEY.public, value, signature)
    if canonical(value) != canonical(other):
        with pytest.raises(SwarmError):
            check(KEY.public, other, signature)


def test_a_record_signed_by_another_key_or_in_anothers_name_is_refused() -> None:
    record = Record(id="0" * 32, swarm="1" * 32, member="", at=1.0, kind="insight", body={"text": "x"})
    signed, other = KEY.signed(record), KeyPair.make()
    check_record(signed, KEY.public)
    for bad, key in ((signed, other.public), (msgspec.structs.replace(signed, member=other.member), other.public),
                     (msgspec.structs.replace(signed, id="2" * 32), KEY.public),
                     (msgspec.structs.replace(signed, signature="zz"), KEY.public)):  # fmt: skip
        with pytest.raises(SwarmError) as caught:
            check_record(bad, key)
        assert caught.value.code == "signature"


NO_KEYS = {
    "nothing": "",
    "no digits": "zz" * 32,
    "too short": "00",
    "too long": KEY.public.upper() + "0",
    "a prefix": "0x" + KEY.public[2:],
}


@pytest.mark.parametrize("key", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_what_is_no_key_is_refused_in_words(key: str) -> None:
    with pytest.raises(SwarmError, match="public key"):
        member_of(key)


def test_a_key_is_kept_from_others_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "swarm.key"
    KEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyPair.load(path).public == KEY.public
    with pytest.raises(FileExistsError):
        KeyPair.make().save(path)
    path.chmod(0o644)
    with pytest.raises(SwarmError, match="chmod 600"):
        KeyPair.load(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(SwarmError, match="no usable key"):
        KeyPair.load(path)


@given(st.dictionaries(st.sampled_from(["train.py", "a/b.py", "model.py"]), TEXT, min_size=1))
def test_code_comes_back_as_it_was_and_nothing_else_has_its_hash(files: dict[str, str]) -> None:
    stored = pack(files, hash_of(files))
    assert unpack(stored, hash_of(files)) == files
    for bad in (stored[:-1] + bytes([stored[-1] ^ 1]), stored[: len(stored) // 2], b""):
        with pytest.raises(SwarmError):
            unpack(bad, hash_of({**files, "more.py": ""}))


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../b", ".git/config", ".GIT/hooks/x", "a//b", "", "a\nb",
                                  ".overnight/swarm.json", "x" * 201])  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SwarmError) as caught:
        pack({name: "x"}, hash_of({name: "x"}))
    assert caught.value.code == "bounds"
