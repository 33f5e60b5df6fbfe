"""attention.py where there is no GPU: every backend that runs here computes what its definition says."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.attention_reference import CASES, errors


@pytest.fixture
def attention(prepare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.delenv("OVERNIGHT_ATTENTION", raising=False)
    module = importlib.import_module("attention")
    yield module
    monkeypatch.delenv("OVERNIGHT_ATTENTION", raising=False)
    module.choose_attention(None, 64)


@pytest.mark.parametrize("name", ["matmul", "sdpa"])
@pytest.mark.parametrize("case", CASES)
def test_a_backend_agrees_with_float64_within_bf16(name: str, case: tuple[int, ...], attention: ModuleType) -> None:
    torch.manual_seed(0)
    assert attention.choose_attention(name, case[4]) == attention.backend() == name
    attention.make_masks([case[-1]], case[1])
    dtype = sys.modules["device"].DTYPE
    assert max(errors(attention.attend, case, dtype, "cpu")) < (0.01 if dtype is torch.bfloat16 else 1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 2), st.integers(1, 50), st.integers(0, 2**31))
def test_the_two_plain_backends_agree_at_any_shape(T: int, kv: int, share: int, window: int, seed: int) -> None:
    attention = sys.modules["attention"]
    torch.manual_seed(seed)
    window = min(window, T)
    q, k, v = (torch.randn(2, T, heads, 8, dtype=sys.modules["device"].DTYPE) for heads in (kv * share, kv, kv))
    found = []
    for name in ("matmul", "sdpa"):
        attention.choose_attention(name, 8)
        attention.make_masks([window], T)
        found.append(attention.attend(q, k, v, window).float())
    torch.testing.assert_close(*found, atol=0.02, rtol=0.02)


def test_without_a_wish_the_cpu_gets_its_own_and_the_environment_outranks_the_constant(
    attention: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert attention.choose_attention(None, 64) == "matmul"
    monkeypatch.setenv("OVERNIGHT_ATTENTION", "sdpa")
    assert attention.choose_attention("matmul", 64) == "sdpa"


@pytest.mark.parametrize("name", ["flash3", "flash4", "flash2", "cudnn", "flex"])
def test_a_backend_that_cannot_be_used_is_refused_in_words(name: str, attention: ModuleType) -> None:
    with pytest.raises(sys.modules["device"].DeviceError, match=f"ATTENTION = '{name}' cannot be used here: .*GPU"):
        attention.choose_attention(name, 64)
    assert attention.backend() == "matmul"


def test_an_unknown_backend_is_refused_with_the_known_ones(attention: ModuleType) -> None:
    with pytest.raises(sys.modules["device"].DeviceError, match=r"'flash9': expected one of flash3, .*matmul, or None"):
        attention.choose_attention("flash9", 64)


def test_plain_attention_for_another_length_leaves_the_choice_as_it_was(attention: ModuleType) -> None:
    attention.choose_attention("sdpa", 8)
    attention.make_masks([4], 16)
    before = dict(attention._masks)
    with attention.plain([4, 16], 10):
        assert attention.backend() == attention.PLAIN
        x = torch.randn(1, 10, 1, 8, dtype=sys.modules["device"].DTYPE)
        assert attention.attend(x, x, x, 4).shape == x.shape
    assert attention.backend() == "sdpa" and attention._masks.keys() == before.keys()
