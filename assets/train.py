"""Train a GPT for a fixed budget and print what it is worth: val_bpb, bits per byte of unseen text, lower is better.

This is the one file that a researcher changes. Everything in it is fair game: constants, architecture, optimizer,
schedule. Data, budget and measure come from prepare.py and stay. Run it as `python train.py`; OVERNIGHT_SEED and
OVERNIGHT_BUDGET give another seed and another budget.
"""
# ruff: noqa: E402 - what is changed most comes first

# Shape. None = derived: the width from DEPTH * ASPECT_RATIO (rounded up to whole heads), the rest from the width.
DEPTH = 2  # layers
ASPECT_RATIO = 64  # width per layer
HEAD_DIM = 32  # of queries, keys and values; even
N_EMBD = None  # width; None = from DEPTH * ASPECT_RATIO
MLP_WIDTH = None  # hidden units of an MLP; None = 4 * width
N_HEAD = None  # query heads; None = width / HEAD_DIM
N_KV_HEAD = None  # key and value heads, a divisor of N_HEAD; None = N_HEAD
WINDOW_PATTERN = "SSSL"  # per layer, repeated: S = looks back half the context, L = all of it; the last is always L
VALUE_EMBED_EVERY = 2  # every so many layers, counted from the last, has a value embedding; 0 = none
SOFTCAP = 15.0  # logits stay within ± this
ROPE_BASE = 10000.0  # wavelength base of the rotary embedding

# Batch, in tokens per optimizer step and in rows per forward pass; the rest is gradient accumulation.
TOTAL_BATCH_SIZE = 2048  # tokens; a multiple of DEVICE_BATCH_SIZE * MAX_SEQ_LEN
DEVICE_BATCH_SIZE = 8  # rows; halves itself when a GPU cannot hold it

# Optimizers: Muon for matrices, AdamW for embeddings, head and scalars (its rates are scaled by (width / 768) ** -0.5).
MATRIX_LR = 0.04  # Muon
EMBEDDING_LR = 0.6  # token and value embeddings
UNEMBEDDING_LR = 0.004  # the head
SCALAR_LR = 0.5  # residual scalars
MUON_MOMENTUM = 0.95  # Nesterov
MUON_STEPS = 5  # Newton–Schulz iterations
ADAM_BETAS = (0.8, 0.95)  # decay of the first and the second moment
WEIGHT_DECAY = 0.1  # of matrices, decoupled

# Schedule, as shares of the budget: rise, stay, fall.
WARMUP_RATIO = 0.0  # rise from 0
WARMDOWN_RATIO = 0.5  # fall at the end
FINAL_LR_FRAC = 0.0  # of the rate, where the fall ends

import gc
import importlib.util
import math
import os
import shutil
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus import CorpusError
from prepare import BUDGET, BUDGET_UNIT, MAX_SEQ_LEN, evaluate_bpb, get_tokenizer, training_batches
from torch import Tensor

SEED = int(os.environ.get("OVERNIGHT_SEED", "1337"))
LIMIT = float(os.environ.get("OVERNIGHT_BUDGET") or BUDGET)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CPU_THREADS = 2  # pinned: sums depend on how many threads share them
UNTIMED_STEPS = 10 if DEVICE == "cuda" else 1  # compiling and warming up, outside a budget of seconds
PEAK_TFLOPS = {  # dense bf16 matmul by device name, the first that matches
    "H200": 989.5, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989.5, "B200": 2250, "A100": 312, "A40": 149.7,
    "A10": 125, "L40S": 362, "L40": 181, "L4": 121, "RTX 6000 Ada": 364, "RTX A6000": 154.8, "5090": 209.5,
    "5080": 112.6, "4090": 165.2, "4080": 97.5, "4070": 58.3, "3090": 71, "3080": 59.5, "3070": 40.6, "3060": 25.6,
}  # fmt: skip


def compute_dtype() -> torch.dtype:
    """bf16 where the hardware multiplies it, else fp32. Weights and sums are fp32 everywhere."""
    if DEVICE == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


DTYPE = compute_dtype()
COMPILED = (
    DEVICE == "cuda"
    and importlib.util.find_spec("triton") is not None
    and bool(shutil.which("gcc") or shutil.which("cc"))
)
BLOCK_MASKS = COMPILED and DTYPE is torch.bfloat16  # FlexAttention; older cards get a masked SDPA


# ---------------------------------------------------------------------------------------------------------------- model


@dataclass(frozen=True)
class Shape:
    """The model's sizes, with everything derived."""

    depth: int
    width: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    windows: tuple[int, ...]  # tokens each layer looks back on, itself included
    vocab: int


def shape(vocab: int) -> Shape:
    """The shape that the constants ask for. Raises ValueError, naming the constants, for one that cannot be."""
    width = N_EMBD or math.ceil(DEPTH * ASPECT_RATIO / HEAD_DIM) * HEAD_DIM
    heads = N_HEAD or max(1, width // HEAD_DIM)
    kv_heads = N_KV_HEAD or heads
    if HEAD_DIM % 2:
        raise ValueError(f"HEAD_DIM = {HEAD_DIM}: rotary embeddings turn pairs, so it must be even")
    if heads % kv_heads:
        raise ValueError(f"N_KV_HEAD = {kv_heads} does not divide N_HEAD = {heads}")
    if not WINDOW_PATTERN or set(WINDOW_PATTERN) - {"S", "L"}:
        raise ValueError(f"WINDOW_PATTERN = {WINDOW_PATTERN!r}: expected letters S and L")
    if TOTAL_BATCH_SIZE % (DEVICE_BATCH_SIZE * MAX_SEQ_LEN):
        raise ValueError(f"TOTAL_BATCH_SIZE = {TOTAL_BATCH_SIZE} is no multiple of {DEVICE_BATCH_SIZE} * {MAX_SEQ_LEN}")
    letters = [WINDOW_PATTERN[i % len(WINDOW_PATTERN)] for i in range(DEPTH - 1)] + ["L"]
    windows = tuple(MAX_SEQ_LEN if letter == "L" else MAX_SEQ_LEN // 2 for letter in letters)
    return Shape(DEPTH, width, MLP_WIDTH or 4 * width, heads, kv_heads, HEAD_DIM, windows, vocab)


def norm(x: Tensor) -> Tensor:
    """RMSNorm without weights."""
    return F.rms_norm(x, (x.size(-1),))


class Linear(nn.Linear):
    """No bias; fp32 weights that multiply in the dtype of what comes in."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype))


class Rotary(nn.Module):
    """Rotary position embedding of (B, T, heads, head_dim)."""

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        rates = ROPE_BASE ** -(torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
        angles = torch.outer(torch.arange(MAX_SEQ_LEN, dtype=torch.float32), rates)[:, None, :]
        self.register_buffer("cos", angles.cos().to(DTYPE), persistent=False)
        self.register_buffer("sin", angles.sin().to(DTYPE), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=-1)
        cos, sin = self.cos[: x.size(1)], self.sin[: x.size(1)]
        return torch.cat((first * cos + second * sin, second * cos - first * sin), dim=-1)


class Attention(nn.Module):
    """Causal attention over the last `window` tokens, with QK norm and, in some layers, a gated value embedding."""

    def __init__(self, s: Shape, layer: int) -> None:
        super().__init__()
        self.s, self.window = s, s.windows[layer]
        self.query_key = Linear(s.width, (s.heads + s.kv_heads) * s.head_dim)  # both turn and are normed: once for all
        self.value = Linear(s.width, s.kv_heads * s.head_dim)
        self.out = Linear(s.heads * s.head_dim, s.width)
        has_table = VALUE_EMBED_EVERY > 0 and (s.depth - 1 - layer) % VALUE_EMBED_EVERY == 0
        self.value_table = nn.Embedding(s.vocab, s.kv_heads * s.head_dim) if has_table else None
        self.value_gate = Linear(s.width, s.kv_heads) if has_table else None

    def forward(self, x: Tensor, ids: Tensor, rotary: Rotary) -> Tensor:
        (B, T, _), s = x.shape, self.s
        q, k = norm(rotary(self.query_key(x).view(B, T, -1, s.head_dim))).split((s.heads, s.kv_heads), dim=2)
        v = self.value(x).view(B, T, s.kv_heads, s.head_dim)
        if self.value_table is not None:  # what a token is, beside what the layers below made of it
            gate = 2 * torch.sigmoid(self.value_gate(x)).unsqueeze(-1)
            v = v + gate * self.value_table(ids).to(v.dtype).view(v.shape)
        y = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), self.window)
        return self.out(y.transpose(1, 2).reshape(B, T, -1))


class MLP(nn.Module):
    """width → mlp → width with squared ReLU."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.up, self.down = Linear(s.width, s.mlp), Linear(s.mlp, s.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x)).square())


class GPT(nn.Module):
    """Each layer sees a learnt mix of the stream and the embeddings that started it: a·x + b·x0."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.embed = nn.Embedding(s.vocab, s.width)
        self.attention = nn.ModuleList(Attention(s, layer) for layer in range(s.depth))
        self.mlp = nn.ModuleList(MLP(s) for _ in range(s.depth))
        self.head = Linear(s.width, s.vocab)
        self.rotary = Rotary(s.head_dim)
        self.stream_scale = nn.Parameter(torch.ones(s.depth))
        self.origin_scale = nn.Parameter(torch.full((s.depth,), 0.1))

    @torch.no_grad()
    def initialise(self) -> None:
        """Every block starts as the identity: what writes to the stream is zero, what reads has variance 1 / width."""
        for name, p in self.named_parameters():
            if p.ndim < 2:
                continue
            if name.endswith(("out.weight", "down.weight", "value_gate.weight")):
                p.zero_()
            elif name == "head.weight":
                p.normal_(std=0.001)
            elif name == "embed.weight":
                p.normal_()
            else:
                bound = (3 / self.s.width) ** 0.5
                p.uniform_(-bound, bound)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """(B, T) ids and targets → (B, T) nats."""
        x = x0 = norm(self.embed(ids).to(DTYPE))
        for i, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = self.stream_scale[i].to(DTYPE) * x + self.origin_scale[i].to(DTYPE) * x0
            x = x + attention(norm(x), ids, self.rotary)
            x = x + mlp(norm(x))
        logits = self.head(norm(x)).float()
        logits = SOFTCAP * torch.tanh(logits / SOFTCAP)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by what trains them: embedding, head, scalar (gates too) by AdamW, matrix by Muon."""
        found: dict[str, list[nn.Parameter]] = {"embedding": [], "head": [], "scalar": [], "matrix": []}
        for name, p in self.named_parameters():
            kind = "embedding" if "embed" in name or "table" in name else "head" if name == "head.weight" else "matrix"
            found["scalar" if p.ndim < 2 or "gate" in name else kind].append(p)
        return found

    def flops_per_token(self) -> float:
        """Forward and backward: 6 per weight that multiplies, 12 · heads · head_dim per token looked back on."""
        weights = sum(p.numel() for kind in ("head", "matrix") for p in self.groups()[kind])
        return 6 * weights + sum(12 * self.s.heads * self.s.head_dim * window for window in self.s.windows)


# ------------------------------------------------------------------------------------------------------------ attention

_masks: dict[tuple[int, int], Any] = {}  # by window and context


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention of (B, heads, T, head_dim) over the last `window` tokens; fewer key heads are shared out."""
    T, shared = q.size(2), k.size(1) != q.size(1)
    if DEVICE == "cpu":  # at this size one matmul onto the mask beats the fused kernel, above all backward
        k, v = (x.repeat_interleave(q.size(1) // k.size(1), dim=1) if shared else x for x in (k, v))
        mask = _masks[window, T]
        scores = torch.baddbmm(mask, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.size(-1) ** -0.5)
        return (scores.softmax(dim=-1) @ v.flatten(0, 1)).view(q.shape)
    if window >= T:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=shared)
    if BLOCK_MASKS:
        from torch.nn.attention.flex_attention import flex_attention

        return flex_attention(q, k, v, block_mask=_masks[window, T], enable_gqa=shared)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_masks[window, T], enable_gqa=shared)


def make_masks(s: Shape) -> None:
    """Make each window's mask: blocks for FlexAttention, else what is added to a score, 0 or -inf."""
    for window in set(s.windows):
        if BLOCK_MASKS and window < MAX_SEQ_LEN:
            from torch.nn.attention.flex_attention import create_block_mask

            def seen(_b: Tensor, _h: Tensor, q: Tensor, k: Tensor, window: int = window) -> Tensor:
                return (q >= k) & (q - k < window)

            _masks[window, MAX_SEQ_LEN] = create_block_mask(seen, None, None, MAX_SEQ_LEN, MAX_SEQ_LEN, device=DEVICE)
        else:
            position = torch.arange(MAX_SEQ_LEN, device=DEVICE)
            back = position[:, None] - position
            allowed = (back >= 0) & (back < window)
            _masks[window, MAX_SEQ_LEN] = (
                torch.zeros(allowed.shape, device=DEVICE).masked_fill(~allowed, -math.inf).to(DTYPE)
            )


# ------------------------------------------------------------------------------------------------------------ optimizer


def orthogonalize(x: Tensor) -> Tensor:
    """Newton–Schulz towards the nearest (semi-)orthogonal matrix, for each of a batch; Jordan et al. 2024."""
    tall = x.size(-2) > x.size(-1)
    x = (x.mT if tall else x).to(DTYPE)  # the Gram matrix is then the smaller one
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(MUON_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized: every direction of a matrix moves equally. One batched step per shape."""

    def __init__(self, params: list[nn.Parameter], lr: float) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for p in params:
            by_shape[p.shape].append(p)
        super().__init__([{"params": same} for same in by_shape.values()], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move by lr · sqrt(max(1, rows / columns)), after the decay lr · WEIGHT_DECAY."""
        for group in self.param_groups:
            params = group["params"]
            gradient = torch.stack([p.grad for p in params])
            momentum = self.state[params[0]].setdefault("momentum", torch.zeros_like(gradient))
            momentum.lerp_(gradient, 1 - MUON_MOMENTUM)
            update = orthogonalize(gradient.lerp(momentum, MUON_MOMENTUM)).float()
            rows, columns = params[0].shape
            torch._foreach_mul_(params, 1 - group["lr"] * WEIGHT_DECAY)
            torch._foreach_add_(params, list(update.unbind()), alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def optimizers(model: GPT) -> list[torch.optim.Optimizer]:
    """AdamW and Muon over all parameters; each group keeps its full rate as `base_lr`."""
    found, scale = model.groups(), (model.s.width / 768) ** -0.5
    rates = {"embedding": EMBEDDING_LR * scale, "head": UNEMBEDDING_LR * scale, "scalar": SCALAR_LR * scale * 0.1}
    adam = torch.optim.AdamW(
        [{"params": found[kind], "lr": rate} for kind, rate in rates.items()],
        betas=ADAM_BETAS, eps=1e-10, weight_decay=0.0, fused=True,
    )  # fmt: skip
    made = [adam, Muon(found["matrix"], MATRIX_LR)]
    for group in (group for optimizer in made for group in optimizer.param_groups):
        group["base_lr"] = group["lr"]
    return made


def lr_multiplier(progress: float) -> float:
    """Of every learning rate, at `progress` (0 to 1) of the budget."""
    if progress < WARMUP_RATIO:
        return max(progress / WARMUP_RATIO, 0.01)
    if progress <= 1 - WARMDOWN_RATIO:
        return 1.0
    left = (1 - min(progress, 1.0)) / WARMDOWN_RATIO
    return FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * left


# -------------------------------------------------------------------------------------------------------------- running


def fail(reason: str) -> None:
    """Say FAIL and why; exit 1."""
    print(f"\nFAIL {reason}", flush=True)
    sys.exit(1)


def peak_flops() -> float:
    """The device's FLOP/s by its data sheet; infinity, so that MFU reads 0, where it is not known."""
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    return next((tflops * 1e12 for key, tflops in PEAK_TFLOPS.items() if key in name), math.inf)


def make_model() -> GPT:
    """The model on its device, not initialised, and its masks. The engine builds it so too, to verify final weights."""
    s = shape(get_tokenizer().vocab_size)
    with torch.device(DEVICE, 0) if DEVICE == "cuda" else torch.device("cpu"):
        model = GPT(s)
    make_masks(s)
    return model


def largest_batch(model: nn.Module, vocab: int) -> int:
    """DEVICE_BATCH_SIZE, halved until a forward and backward pass fits into the GPU's memory."""
    batch = DEVICE_BATCH_SIZE
    while DEVICE == "cuda":
        try:
            ids = torch.randint(vocab, (batch, MAX_SEQ_LEN), device=DEVICE)
            model(ids, ids).mean().backward()
            model.zero_grad(set_to_none=True)
            return batch
        except torch.OutOfMemoryError:
            if batch == 1:
                fail("out of memory with one row: a smaller model or a shorter MAX_SEQ_LEN")
        ids = None
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()  # what did not fit is not what the run needs
        batch //= 2
        print(f"out of memory: DEVICE_BATCH_SIZE halved to {batch}", flush=True)
    return batch


def main() -> None:
    """Train for the budget, evaluate, print the summary."""
    started = time.perf_counter()
    torch.manual_seed(SEED)
    torch.set_float32_matmul_precision("high")
    if DEVICE == "cpu":
        torch.set_num_threads(CPU_THREADS)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # costs a pass over memory, guards nothing here

    model = make_model()
    model.initialise()
    s, device = model.s, model.stream_scale.device
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{s}, {parameters / 1e6:.2f} M parameters, {DTYPE}, on {DEVICE}, seed {SEED}", flush=True)
    run = torch.compile(model, dynamic=False) if COMPILED else model
    batch = largest_batch(run, s.vocab)
    accumulation = TOTAL_BATCH_SIZE // (batch * MAX_SEQ_LEN)
    opts, flops, peak = optimizers(model), model.flops_per_token() * TOTAL_BATCH_SIZE, peak_flops()
    batches = training_batches(batch, SEED, DEVICE)
    times: list[float] = []
    waited = trained = smooth = 0.0
    while (progress := (trained if BUDGET_UNIT == "seconds" else len(times)) / LIMIT) < 1:
        began, waiting, loss = time.perf_counter(), 0.0, torch.zeros((), device=device)
        for _ in range(accumulation):
            asked = time.perf_counter()
            x, y, epoch = next(batches)
            waiting += time.perf_counter() - asked
            part = run(x, y).mean() / accumulation
            part.backward()
            loss += part.detach()
        multiplier = lr_multiplier(progress)
        for optimizer in opts:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * multiplier
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        value = loss.item()  # waits for the GPU
        if not value <= 100:  # also true of NaN
            fail(f"loss {value} at step {len(times)}")
        dt = time.perf_counter() - began
        times.append(dt)
        if len(times) > UNTIMED_STEPS or BUDGET_UNIT == "steps":
            trained, waited = trained + dt, waited + waiting
        smooth = 0.9 * smooth + 0.1 * value
        share = min((trained if BUDGET_UNIT == "seconds" else len(times)) / LIMIT, 1)
        left = LIMIT - trained if BUDGET_UNIT == "seconds" else (LIMIT - len(times)) * statistics.median(times[-20:])
        print(
            f"step {len(times) - 1:05d} ({share:.1%}) | loss: {smooth / (1 - 0.9 ** len(times)):.6f}"
            f" | lrm: {multiplier:.2f} | dt: {dt * 1000:.0f}ms | tok/sec: {TOTAL_BATCH_SIZE / dt:,.0f}"
            f" | mfu: {flops / dt / peak:.1%} | epoch: {epoch} | remaining: {max(left, 0):.0f}s    ",
            end="\r", flush=True,
        )  # fmt: skip
        if len(times) == 1:  # nothing made so far dies: keep the collector from looking at it
            gc.collect()
            gc.freeze()
            gc.disable()
    print()

    steady = times[UNTIMED_STEPS:] or times
    bpb, val_loss = evaluate_bpb(run, batch, DEVICE)
    if not math.isfinite(bpb):
        fail(f"val_bpb {bpb}")
    if path := os.environ.get("OVERNIGHT_WEIGHTS"):
        torch.save(model.state_dict(), path)
    summary = {
        "val_bpb": f"{bpb:.6f}",
        "val_loss": f"{val_loss:.6f}",
        "training_seconds": f"{trained:.1f}",
        "total_seconds": f"{time.perf_counter() - started:.1f}",
        "peak_vram_mb": f"{torch.cuda.max_memory_allocated() / 2**20 if DEVICE == 'cuda' else 0:.1f}",
        "mfu_percent": f"{100 * flops * len(steady) / sum(steady) / peak:.2f}",
        "step_ms": f"{1000 * statistics.median(steady):.2f}",
        "data_wait_percent": f"{100 * waited / trained if trained else 0:.2f}",
        "total_tokens_M": f"{len(times) * TOTAL_BATCH_SIZE / 1e6:.2f}",
        "num_steps": str(len(times)),
        "num_params_M": f"{parameters / 1e6:.3f}",
        "depth": str(DEPTH),
    }
    print("---")
    for name, text in summary.items():
        print(f"{name + ':':<19}{text}")


if __name__ == "__main__":
    try:
        main()
    except (CorpusError, ValueError) as error:
        fail(str(error))
