"""device.py and fused.py where there is no GPU: what is forced, what is told, what stays the same."""

import importlib
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F


@pytest.fixture
def device(prepare: ModuleType) -> ModuleType:
    return importlib.import_module("device")


@pytest.mark.parametrize(
    ("forced", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)]
)
def test_the_environment_forces_a_precision(
    forced: str, dtype: torch.dtype, device: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERNIGHT_DTYPE", forced)
    assert device.compute_dtype() is dtype


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [((6, 1), torch.float32), ((7, 0), torch.float32), ((7, 5), torch.float16), ((8, 0), torch.bfloat16),
     ((9, 0), torch.bfloat16), ((12, 0), torch.bfloat16)],
)  # fmt: skip
def test_a_gpu_computes_in_what_its_generation_multiplies(
    capability: tuple[int, int], dtype: torch.dtype, device: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OVERNIGHT_DTYPE", raising=False)
    monkeypatch.setattr(device, "DEVICE", "cuda")
    monkeypatch.setattr(device, "CAPABILITY", capability)
    assert device.compute_dtype() is dtype


@pytest.mark.parametrize(
    ("name", "capability", "dtype", "processors", "mhz", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", (9, 0), torch.bfloat16, 132, 1980, 989.5),
        ("NVIDIA H100 PCIe", (9, 0), torch.bfloat16, 114, 1755, 756),
        ("Some card of Ada's", (8, 9), torch.bfloat16, 128, 2520, 165.2),
        ("NVIDIA GeForce GTX 1080 Ti", (6, 1), torch.float32, 28, 1582, 11.3),
        ("NVIDIA A100-SXM4-40GB", (8, 0), torch.float32, 108, 1410, 19.5),
        ("NVIDIA A100-SXM4-40GB", (8, 0), torch.bfloat16, 108, 1410, 312),
        ("NVIDIA GH200 480GB", (9, 0), torch.bfloat16, 132, 1980, 989.5),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", (9, 0), torch.bfloat16, 16, 1980, 129.8),
        ("NVIDIA RTX A1000", (8, 6), torch.bfloat16, 18, 1462, 13.5),
        ("NVIDIA RTX A4000", (8, 6), torch.bfloat16, 48, 1560, 38.3),
        ("NVIDIA A10G", (8, 6), torch.bfloat16, 80, 1710, 70.0),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", (8, 9), torch.bfloat16, 66, 2610, 88.2),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", (8, 9), torch.bfloat16, 76, 2040, 79.4),
    ],
)
def test_the_peak_rate_is_the_data_sheets_or_computed_from_the_device(
    name: str, capability: tuple[int, int], dtype: torch.dtype, processors: int, mhz: int, tflops: float,
    device: ModuleType, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = SimpleNamespace(name=name, multi_processor_count=processors, clock_rate=1000 * mhz)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: found)
    for constant, value in (("DEVICE", "cuda"), ("CAPABILITY", capability), ("DTYPE", dtype)):
        monkeypatch.setattr(device, constant, value)
    assert device.peak_flops() / 1e12 == pytest.approx(tflops, rel=0.01)


def test_an_unknown_device_has_no_peak_rate(device: ModuleType) -> None:
    assert device.peak_flops() == math.inf


def test_memory_that_ran_out_is_recognised_through_what_wraps_it(device: ModuleType) -> None:
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        except RuntimeError as inner:
            raise RuntimeError("backend='inductor' raised") from inner
    except RuntimeError as error:
        assert device.out_of_memory(error)
    assert device.out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"))
    assert not device.out_of_memory(RuntimeError("an illegal memory access was encountered"))


def test_the_advice_tells_the_sizes_and_who_else_holds_memory(
    device: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 2 * 2**30)
    monkeypatch.delenv("OVERNIGHT_VRAM_MB", raising=False)
    said = device.memory_advice(32, 1024, 4)
    assert said.startswith("out of memory: 32 rows of 1024 tokens at depth 4 need more than this GPU's 8,192 MB; other")
    assert "about 4,420 MB" in said and "Halve DEVICE_BATCH_SIZE" in said and "\n" not in said
    monkeypatch.setenv("OVERNIGHT_VRAM_MB", "6000")
    assert "the 6,000 MB that OVERNIGHT_VRAM_MB allows" in device.memory_advice(32, 1024, 4)


@pytest.mark.parametrize("cap", ["8GB", "-1", "nan", "inf"])
def test_a_cap_of_memory_that_is_none_is_named(cap: str, device: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DEVICE", "cuda")
    monkeypatch.setenv("OVERNIGHT_VRAM_MB", cap)
    with pytest.raises(device.DeviceError, match=f"OVERNIGHT_VRAM_MB = '{cap}': expected MiB"):
        device.start(seed=1)


@pytest.mark.parametrize("compiled", [False, True])
def test_both_ways_of_capping_and_measuring_are_the_same_function(
    compiled: bool, device: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "COMPILED", compiled)
    torch.manual_seed(0)
    z, targets = torch.randn(2, 5, 40) * 20, torch.randint(40, (2, 5))
    z.requires_grad_()
    exact = 15 * torch.tanh(z.double() / 15)
    wanted = F.cross_entropy(exact.flatten(0, 1), targets.flatten(), reduction="none").view(2, 5)
    capped = device.softcap(z, 15.0)
    found = device.nats(capped, targets, 15.0)
    torch.testing.assert_close(capped.double(), exact, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)
    (got,), (want,) = (torch.autograd.grad(loss.sum(), z, retain_graph=True) for loss in (found, wanted))
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)


def test_the_activation_that_saves_memory_has_the_plain_ones_value_and_slope(
    device: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.randn(50, requires_grad=True)
    plain = device.squared_relu(x)
    monkeypatch.setattr(device, "DEVICE", "cuda")
    saving = device.squared_relu(x)
    assert torch.equal(plain, saving)
    torch.testing.assert_close(*(torch.autograd.grad(y.sum(), x)[0] for y in (saving, plain)))


def test_the_fused_functions_are_their_parts(prepare: ModuleType) -> None:
    fused, device = importlib.import_module("fused"), importlib.import_module("device")
    torch.manual_seed(0)
    x, up, down = torch.randn(2, 4, 8), torch.randn(16, 8), torch.randn(8, 16)
    assert torch.equal(fused.squared_relu_mlp(x, up, down), F.linear(F.relu(F.linear(x, up)).square(), down))
    head, targets = torch.randn(30, 8), torch.randint(30, (2, 4))
    wanted = device.nats(device.softcap(F.linear(x, head), 15.0), targets, 15.0)
    assert torch.equal(fused.head_nats(x, head, targets, 15.0), wanted)


def test_an_unknown_precision_is_named(
    device: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OVERNIGHT_DTYPE", "int4")
    with pytest.raises(SystemExit) as ended:
        device.compute_dtype()
    assert ended.value.code == 1 and "FAIL OVERNIGHT_DTYPE = 'int4': expected one of bf16" in capsys.readouterr().out


TINY: dict[str, Any] = {"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16}


def test_layers_computed_twice_have_the_same_loss_and_gradients(load_train: Callable[..., ModuleType]) -> None:
    found = []
    for twice in (False, True):
        train = load_train({**TINY, "CHECKPOINT": twice}, {"MAX_SEQ_LEN": 32})
        torch.manual_seed(0)
        model = train.GPT(train.shape(50))
        model.initialise()
        train.attention.make_masks(model.s.windows, 32)
        ids = torch.randint(50, (2, 32))
        loss = model(ids, ids)
        loss.mean().backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_text_is_drawn_from_the_logits_and_repeats(load_train: Callable[..., ModuleType], device: ModuleType) -> None:
    corpus = importlib.import_module("corpus")
    tokenizer = corpus.Tokenizer("byte", [bytes([value]) for value in range(256)])
    train = load_train(TINY, {"MAX_SEQ_LEN": 16})
    torch.manual_seed(0)
    model = train.GPT(train.shape(tokenizer.vocab_size))
    model.initialise()
    with torch.no_grad():
        model.head.weight.normal_()
    texts = [device.generate(model, tokenizer, "ab", 30, 0.8, seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and all(texts)
    likeliest = device.generate(model, tokenizer, "ab", 1, 0.0, 0)
    train.attention.make_masks(model.s.windows, 3)
    logits = model.logits(torch.tensor([[tokenizer.bos, *b"ab"]]))
    assert logits.shape == (1, 3, tokenizer.vocab_size) and logits.abs().max() <= train.SOFTCAP
    assert likeliest == tokenizer.decode([int(logits[0, -1].argmax())])


def test_weights_for_which_the_disk_has_no_room_leave_nothing(
    device: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def half(_: object, file: str) -> None:
        Path(file).write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 512 vs 402")

    monkeypatch.setattr(torch, "save", half)
    device.save_weights(torch.nn.Linear(2, 2), str(tmp_path / "weights.pt"))
    assert not list(tmp_path.iterdir()) and "weights: not saved: [enforce fail" in capsys.readouterr().out


def test_an_unknown_schedule_is_named_before_anything_is_made(load_train: Callable[..., ModuleType]) -> None:
    train = load_train({"SCHEDULE": "stairs"}, {})
    with pytest.raises(ValueError, match=r"SCHEDULE = 'stairs': expected \"warmup_flat_warmdown\", "):
        train.make_model()


SCHEDULES = ["warmup_flat_warmdown", "one_cycle", "cosine"]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_rises_peaks_at_one_falls_to_its_end_and_never_jumps(
    schedule: str, load_train: Callable[..., ModuleType]
) -> None:
    constants: dict[str, Any] = {"SCHEDULE": schedule, "WARMUP_RATIO": 0.2, "FINAL_LR_FRAC": 0.1}
    train = load_train(constants, {})
    rates = [train.lr_multiplier(i / 1000) for i in range(1001)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0) and peak == 200 and rates[-1] == pytest.approx(0.1)
    assert rates[0] < 0.05 and train.lr_multiplier(1.3) == pytest.approx(0.1)
    assert all(a <= b + 1e-12 for a, b in pairwise(rates[:201]))
    assert all(a >= b - 1e-12 for a, b in pairwise(rates[200:]))
    assert max(abs(a - b) for a, b in pairwise(rates)) < 0.012


def test_one_cycle_rises_for_three_tenths_unless_told_otherwise(load_train: Callable[..., ModuleType]) -> None:
    train = load_train({"SCHEDULE": "one_cycle", "WARMUP_RATIO": 0.0}, {})
    rates = [train.lr_multiplier(i / 100) for i in range(101)]
    assert rates.index(max(rates)) == 30 and rates[0] == pytest.approx(0.04)


def test_every_group_of_the_optimizers_says_what_it_trains(load_train: Callable[..., ModuleType]) -> None:
    train = load_train({"DEPTH": 2, "ASPECT_RATIO": 16, "HEAD_DIM": 16}, {"MAX_SEQ_LEN": 32})
    model = train.GPT(train.shape(50))
    groups = [group for optimizer in train.optimizers(model) for group in optimizer.param_groups]
    assert {group["name"] for group in groups} == {"matrix", "embedding", "head", "scalar"}
    assert all(group["base_lr"] == group["lr"] for group in groups)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
