"""tiers.toml and search_space.toml agree with the files they set constants of."""

import ast
import tomllib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.assets.template import ASSETS

TIERS: dict[str, dict[str, Any]] = tomllib.loads((ASSETS / "tiers.toml").read_text())
SPACE: dict[str, Any] = tomllib.loads((ASSETS / "search_space.toml").read_text())
PROMISED = {  # VRAM in GB: DEPTH, width, device batch, sequence
    4: (2, 128, 32, 512), 8: (4, 256, 64, 1024), 12: (6, 384, 128, 1024), 16: (8, 512, 32, 2048),
    24: (8, 512, 64, 2048), 32: (12, 768, 32, 2048), 80: (16, 1024, 64, 2048),
}  # fmt: skip


def constants(name: str) -> dict[str, Any]:
    """The block at the top: one `NAME = literal  # meaning` a line."""
    text = (ASSETS / name).read_text()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in {"SEED", "PACKING_BUFFER"}:
                break
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                break
            assert node.lineno == node.end_lineno and "  # " in text.splitlines()[node.lineno - 1]
    return found


TRAIN, PREPARE = constants("train.py"), constants("prepare.py")


@pytest.mark.parametrize("name", TIERS)
def test_a_tier_builds_and_has_the_parameters_it_tells(name: str, load_train: Callable[..., ModuleType]) -> None:
    tier = TIERS[name]
    assert set(tier["train"]) <= set(TRAIN) and set(tier["prepare"]) <= set(PREPARE)
    train = load_train(tier["train"], {key: tier["prepare"][key] for key in ("MAX_SEQ_LEN", "BUDGET", "BUDGET_UNIT")})
    with torch.device("meta"):
        model = train.GPT(train.shape(tier["prepare"]["VOCAB_SIZE"]))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(tier["params_M"], abs=0.001)
    assert sum(p.numel() for p in model.groups()["matrix"]) / 1e6 == pytest.approx(tier["matrix_params_M"], abs=0.001)
    if name != "cpu":
        shape = (model.s.depth, model.s.width, tier["train"]["DEVICE_BATCH_SIZE"], tier["prepare"]["MAX_SEQ_LEN"])
        assert shape == PROMISED[tier["vram_gb"]] and model.s.head_dim == 128
        assert (tier["prepare"]["BUDGET"], tier["prepare"]["BUDGET_UNIT"], tier["prepare"]["VOCAB_SIZE"]) == (
            300,
            "seconds",
            8192,
        )
        assert (tier["prepare"]["EVAL_TOKENS"] == 40 * 524_288) == (tier["vram_gb"] >= 16)
    assert tier["timeout_s"] > 0 and tier["jump"] > 0 and tier["name"]


def test_every_row_of_the_table_is_there_once() -> None:
    assert [tier["vram_gb"] for tier in TIERS.values()] == [0, *PROMISED]


def test_width_mlp_and_heads_are_settable_each_on_its_own(load_train: Callable[..., ModuleType]) -> None:
    sizes = {
        "N_EMBD": 48,
        "MLP_WIDTH": 100,
        "N_HEAD": 6,
        "N_KV_HEAD": 2,
        "HEAD_DIM": 16,
        "DEPTH": 3,
        "WINDOW_PATTERN": "SL",
    }
    train = load_train(sizes, {"MAX_SEQ_LEN": 32})
    torch.manual_seed(0)
    model = train.GPT(train.shape(300))
    model.initialise()
    train.attention.make_masks(model.s.windows, 32)
    assert (model.s.width, model.s.mlp, model.s.heads, model.s.kv_heads, model.s.windows) == (
        48,
        100,
        6,
        2,
        (16, 32, 32),
    )
    ids = torch.randint(300, (2, 32))
    loss = model(ids, ids)
    assert loss.shape == (2, 32) and loss.dtype == torch.float32
    loss.mean().backward()
    for optimizer in train.optimizers(model):
        optimizer.step()
    assert model(ids, ids).mean() < loss.mean()


@pytest.mark.parametrize("pattern", ["S", "L"])
def test_no_token_sees_the_future_or_past_its_window(pattern: str, load_train: Callable[..., ModuleType]) -> None:
    train = load_train({"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16}, {"MAX_SEQ_LEN": 32})
    window = 16 if pattern == "S" else 32
    train.attention.make_masks(train.shape(50).windows, 32)
    q, k, v = (torch.randn(1, 32, 2, 16, dtype=train.DTYPE) for _ in range(3))
    v.requires_grad_()
    train.attention.attend(q, k, v, window)[0, 20].float().sum().backward()
    seen = v.grad.float().abs().sum(dim=(0, 2, 3)) > 0
    assert seen.nonzero().flatten().tolist() == list(range(max(0, 21 - window), 21))


def rules_allow(change: dict[str, Any], base: dict[str, Any]) -> bool:
    names = {**base, **change, "before": base}
    return all(eval(rule["rule"], {"max": max}, names) for rule in SPACE["constraint"])


def test_the_space_names_constants_of_train_py_and_starts_within_bounds() -> None:
    entries = {name: entry for name, entry in SPACE.items() if name != "constraint"}
    assert set(entries) <= set(TRAIN)
    for name, entry in entries.items():
        assert entry["family"] and entry["kind"] in {"float", "int", "choice"}, name
        for value in entry.get("first", []):
            assert value in entry["values"] if entry["kind"] == "choice" else entry["low"] <= value <= entry["high"], (
                name
            )


@pytest.mark.parametrize("name", TIERS)
def test_every_tier_obeys_the_constraints_and_the_bounds(name: str) -> None:
    base = {**PREPARE, **TRAIN, **TIERS[name]["prepare"], **TIERS[name]["train"]}
    assert rules_allow({}, base)
    for constant, entry in SPACE.items():
        if constant != "constraint":
            value = list(base[constant]) if isinstance(base[constant], tuple) else base[constant]
            assert value in entry["values"] if entry["kind"] == "choice" else entry["low"] <= value <= entry["high"], (
                constant
            )


@pytest.mark.parametrize(
    "change",
    [
        {"HEAD_DIM": 15}, {"N_KV_HEAD": 3}, {"N_HEAD": 4, "N_KV_HEAD": 3}, {"DEVICE_BATCH_SIZE": 16},
        {"TOTAL_BATCH_SIZE": 3000},
    ],
)  # fmt: skip
def test_the_constraints_refuse_what_train_py_refuses(
    change: dict[str, Any], load_train: Callable[..., ModuleType]
) -> None:
    tier = TIERS["cpu"]
    base = {**PREPARE, **TRAIN, **tier["prepare"], **tier["train"]}
    assert not rules_allow(change, base)
    train = load_train({**tier["train"], **change}, {"MAX_SEQ_LEN": tier["prepare"]["MAX_SEQ_LEN"]})
    with pytest.raises(ValueError):
        train.shape(1024)


def test_more_work_per_step_is_no_discovery_where_steps_are_counted() -> None:
    base = {**PREPARE, **TRAIN, **TIERS["cpu"]["prepare"], **TIERS["cpu"]["train"]}
    for change in ({"TOTAL_BATCH_SIZE": 4096}, {"DEPTH": 4}, {"ASPECT_RATIO": 96}):
        assert not rules_allow(change, base)
        assert rules_allow(change, {**base, "BUDGET_UNIT": "seconds"})
