"""Train a GPT for a fixed budget and print what it is worth: val_bpb, bits per byte of unseen text, lower is better.

This is the one file that a researcher changes. Everything in it is fair game: constants, architecture, optimizer,
schedule. Data, budget and measure come from prepare.py and stay. Run it as `python train.py`; OVERNIGHT_SEED and
OVERNIGHT_BUDGET give another seed and another budget.
"""
# ruff: noqa: E402 - what is changed most comes first

# Shape. None = derived: the width from DEPTH * ASPECT_RATIO (rounded up to whole heads), the rest from the width.
DEPTH = 2  # layers
ASPECT_RATIO = 64  # width per layer
HEAD_DIM = 128  # of queries, keys and values; even
N_EMBD = None  # width; None = from DEPTH * ASPECT_RATIO
MLP_WIDTH = None  # hidden units of an MLP; None = 4 * width
N_HEAD = None  # query heads; None = width / HEAD_DIM
N_KV_HEAD = None  # key and value heads, a divisor of N_HEAD; None = N_HEAD
WINDOW_PATTERN = "SSSL"  # per layer, repeated: S = looks back half the context, L = all of it; the last is always L
VALUE_EMBED_EVERY = 2  # every so many layers, counted from the last, has a value embedding; 0 = none
SOFTCAP = 15.0  # logits stay within ± this
ROPE_BASE = 10000.0  # wavelength base of the rotary embedding

# Batch, in tokens per optimizer step and in rows per forward pass; the rest is gradient accumulation.
TOTAL_BATCH_SIZE = 16384  # tokens; a multiple of DEVICE_BATCH_SIZE * MAX_SEQ_LEN
DEVICE_BATCH_SIZE = 32  # rows
CHECKPOINT = True  # compute each layer again in the backward pass: far less memory, a quarter more work
ATTENTION = None  # "flash3", "flash4", "flash2", "cudnn", "flex" or "sdpa"; None = the best that this machine has

# Optimizers: Muon for matrices, AdamW for embeddings, head and scalars (its rates are scaled by (width / 768) ** -0.5).
MATRIX_LR = 0.03  # Muon
EMBEDDING_LR = 0.6  # token and value embeddings
UNEMBEDDING_LR = 0.004  # the head
SCALAR_LR = 0.5  # residual scalars
MUON_MOMENTUM = 0.95  # Nesterov
MUON_STEPS = 5  # Newton–Schulz iterations
ADAM_BETAS = (0.8, 0.95)  # decay of the first and the second moment
WEIGHT_DECAY = 0.1  # of matrices, decoupled

# Schedule, as shares of the budget: rise, stay, fall.
SCHEDULE = "warmup_flat_warmdown"  # straight lines; "one_cycle" and "cosine" rise, then fall along a cosine
WARMUP_RATIO = 0.0  # rise from 0; 0 under one_cycle = 0.3
WARMDOWN_RATIO = 0.5  # fall at the end, of warmup_flat_warmdown
FINAL_LR_FRAC = 0.0  # of the rate, where the fall ends

import gc
import math
import os
import statistics
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass

import attention
import device
import fused
import torch
import torch.nn as nn
import torch.nn.functional as F
from corpus import CorpusError
from device import COMPILED, DEVICE, DTYPE, DeviceError, fail
from prepare import BUDGET, BUDGET_UNIT, MAX_SEQ_LEN, evaluate_bpb, get_tokenizer, training_batches
from torch import Tensor
from torch.utils.checkpoint import checkpoint

SEED = int(os.environ.get("OVERNIGHT_SEED", "1337"))
LIMIT = float(os.environ.get("OVERNIGHT_BUDGET") or BUDGET)
CPU_THREADS = device.CPU_THREADS  # the engine verifies final weights with as many
UNTIMED_STEPS = 10 if DEVICE == "cuda" else 1  # compiling and warming up, outside a budget of seconds


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
        cos, sin = angles.cos().to(DTYPE), angles.sin().to(DTYPE)
        self.register_buffer("cos", torch.cat((cos, cos), dim=-1), persistent=False)
        self.register_buffer("sin", torch.cat((sin, -sin), dim=-1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        cos, sin = self.cos[: x.size(1)], self.sin[: x.size(1)]
        return x * cos + x.roll(x.size(-1) // 2, -1) * sin


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
        qk = self.query_key(x).view(B, T, -1, s.head_dim)
        qk = (
            rotary(norm(qk)) if COMPILED else norm(rotary(qk))
        )  # the same: turning keeps lengths. Here cheaper, or there
        q, k = qk.split((s.heads, s.kv_heads), dim=2)
        v = self.value(x).view(B, T, s.kv_heads, s.head_dim)
        if self.value_table is not None:  # what a token is, beside what the layers below made of it
            gate = 2 * torch.sigmoid(self.value_gate(x)).unsqueeze(-1)
            v = v + gate * self.value_table(ids).to(v.dtype).view(v.shape)
        return self.out(attention.attend(q, k, v, self.window).reshape(B, T, -1))


class MLP(nn.Module):
    """width → mlp → width with squared ReLU."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.up, self.down = Linear(s.width, s.mlp), Linear(s.mlp, s.width)

    def forward(self, x: Tensor) -> Tensor:
        return fused.squared_relu_mlp(x, self.up.weight, self.down.weight)  # down(relu(up(x))²)


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

    def layer(self, i: int, x: Tensor, x0: Tensor, ids: Tensor) -> Tensor:
        """(B, T, width) → the same, one layer on."""
        x = self.stream_scale[i].to(DTYPE) * x + self.origin_scale[i].to(DTYPE) * x0
        x = x + self.attention[i](norm(x), ids, self.rotary)
        return x + self.mlp[i](norm(x))

    def stream(self, ids: Tensor) -> Tensor:
        """(B, T) ids → (B, T, width) that the head reads."""
        x = x0 = norm(self.embed(ids).to(DTYPE))
        for i in range(self.s.depth):
            if CHECKPOINT and torch.is_grad_enabled():
                x = checkpoint(self.layer, i, x, x0, ids, use_reentrant=False)
            else:
                x = self.layer(i, x, x0, ids)
        return norm(x)

    def logits(self, ids: Tensor) -> Tensor:
        """(B, T) ids → (B, T, vocab) scores of the token that comes next, fp32, within ±SOFTCAP."""
        return device.softcap(self.head(self.stream(ids)).float(), SOFTCAP)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """(B, T) ids and targets → (B, T) nats: the cross entropy of the logits."""
        return fused.head_nats(self.stream(ids), self.head.weight, targets, SOFTCAP)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by what trains them: embedding, head, scalar (gates too) by AdamW, matrix by Muon."""
        found: dict[str, list[nn.Parameter]] = {"embedding": [], "head": [], "scalar": [], "matrix": []}
        for name, p in self.named_parameters():
            kind = "embedding" if "embed" in name or "table" in name else "head" if name == "head.weight" else "matrix"
            found["scalar" if p.ndim < 2 or "gate" in name else kind].append(p)
        return found

    def flops_per_token(self) -> float:
        """Both passes, by PaLM's appendix B: 6 a weight that multiplies, 12 · heads · head_dim a token in sight."""
        weights = sum(p.numel() for kind in ("head", "matrix") for p in self.groups()[kind])
        return 6 * weights + sum(12 * self.s.heads * self.s.head_dim * window for window in self.s.windows)


# ------------------------------------------------------------------------------------------------------------ optimizer


def orthogonalize(x: Tensor) -> Tensor:
    """Newton–Schulz towards the nearest (semi-)orthogonal matrix, for each of a batch; Jordan et al. 2024."""
    tall = x.size(-2) > x.size(-1)
    x = (x.mT if tall else x).to(device.WIDE_DTYPE)  # the Gram matrix is then the smaller one
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(MUON_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x


@device.compiled
def direction(gradients: list[Tensor], momentum: Tensor) -> list[Tensor]:
    """Where Muon moves each of some matrices of one shape; `momentum` (matrices, rows, columns) moves on in place."""
    gradient = torch.stack(gradients)
    momentum.lerp_(gradient, 1 - MUON_MOMENTUM)
    return list(orthogonalize(gradient.lerp(momentum, MUON_MOMENTUM)).float().unbind())


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized: every direction of a matrix moves equally. One batched step per shape."""

    def __init__(self, params: list[nn.Parameter], lr: float) -> None:
        by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for p in params:
            by_shape[p.shape].append(p)
        super().__init__([{"params": same, "name": "matrix"} for same in by_shape.values()], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move by lr · sqrt(max(1, rows / columns)), after the decay lr · WEIGHT_DECAY."""
        for group in self.param_groups:
            params = group["params"]
            rows, columns = params[0].shape
            state = self.state[params[0]]
            if "momentum" not in state:
                state["momentum"] = params[0].new_zeros(len(params), rows, columns)
            update = direction([p.grad for p in params], state["momentum"])
            torch._foreach_mul_(params, 1 - group["lr"] * WEIGHT_DECAY)
            torch._foreach_add_(params, update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def optimizers(model: GPT) -> list[torch.optim.Optimizer]:
    """AdamW and Muon over all parameters; each group has a `name` and keeps its full rate as `base_lr`."""
    found, scale = model.groups(), (model.s.width / 768) ** -0.5
    rates = {"embedding": EMBEDDING_LR * scale, "head": UNEMBEDDING_LR * scale, "scalar": SCALAR_LR * scale * 0.1}
    adam = torch.optim.AdamW(
        [{"params": found[kind], "lr": rate, "name": kind} for kind, rate in rates.items()],
        betas=ADAM_BETAS, eps=1e-10, weight_decay=0.0, fused=True,
    )  # fmt: skip
    made = [adam, Muon(found["matrix"], MATRIX_LR)]
    for group in (group for optimizer in made for group in optimizer.param_groups):
        group["base_lr"] = group["lr"]
    return made


def lr_multiplier(progress: float) -> float:
    """Of every learning rate, at `progress` (0 to 1) of the budget, by SCHEDULE. one_cycle: Smith and Topin 2017."""
    rising = WARMUP_RATIO or (0.3 if SCHEDULE == "one_cycle" else 0.0)
    if progress < rising:
        risen = progress / rising
        return 0.04 + 0.96 * (1 - math.cos(math.pi * risen)) / 2 if SCHEDULE == "one_cycle" else max(risen, 0.01)
    if SCHEDULE == "warmup_flat_warmdown":
        left = min((1 - min(progress, 1.0)) / WARMDOWN_RATIO, 1.0) if WARMDOWN_RATIO else 1.0
    else:
        left = (1 + math.cos(math.pi * (min(progress, 1.0) - rising) / (1 - rising))) / 2
    return FINAL_LR_FRAC + (1 - FINAL_LR_FRAC) * left


# -------------------------------------------------------------------------------------------------------------- running


def make_model() -> GPT:
    """The model on its device, not initialised, attention ready. The engine builds it so too, to verify weights."""
    if SCHEDULE not in ("warmup_flat_warmdown", "one_cycle", "cosine"):
        raise ValueError(f'SCHEDULE = {SCHEDULE!r}: expected "warmup_flat_warmdown", "one_cycle" or "cosine"')
    s = shape(get_tokenizer().vocab_size)
    attention.choose_attention(ATTENTION, s.head_dim)
    with torch.device(DEVICE, 0) if DEVICE == "cuda" else torch.device("cpu"):
        model = GPT(s)
    attention.make_masks(s.windows, MAX_SEQ_LEN)
    return model


def main() -> None:
    """Train for the budget, evaluate, print the summary; with OVERNIGHT_FIT two steps of random text, to see it fit.

    Memory that does not suffice raises torch.OutOfMemoryError.
    """
    started = time.perf_counter()
    device.start(SEED)
    model = make_model()
    model.initialise()
    s, batch = model.s, DEVICE_BATCH_SIZE
    parameters = sum(p.numel() for p in model.parameters())
    print(
        f"{s}, {parameters / 1e6:.2f} M parameters, {DTYPE}, attention {attention.backend()}, on {DEVICE}, seed {SEED}"
    )
    run, scaler = device.compiled(model), device.loss_scale()
    accumulation = TOTAL_BATCH_SIZE // (batch * MAX_SEQ_LEN)
    opts, flops, peak = optimizers(model), model.flops_per_token() * TOTAL_BATCH_SIZE, device.peak_flops()
    fitting = bool(os.environ.get("OVERNIGHT_FIT"))
    batches = device.random_batches(batch, MAX_SEQ_LEN, s.vocab) if fitting else training_batches(batch, SEED, DEVICE)
    limit, unit = (2.0, "steps") if fitting else (LIMIT, BUDGET_UNIT)
    times: list[float] = []
    waited = trained = smooth = 0.0
    ahead: deque[tuple[device.Later, float, float, int]] = deque()  # steps that the device has been given
    began, given = time.perf_counter(), 0

    def finish(loss: device.Later, multiplier: float, waiting: float, epoch: int) -> None:
        """Wait for a step, count its time, show it."""
        nonlocal began, waited, trained, smooth
        value = loss.value()
        if not value <= 100:  # also true of NaN
            fail(f"loss {value} at step {len(times)}")
        now = time.perf_counter()
        dt, began = now - began, now
        times.append(dt)
        if len(times) > UNTIMED_STEPS or unit == "steps":
            trained, waited = trained + dt, waited + waiting
        smooth = 0.9 * smooth + 0.1 * value
        share = min((trained if unit == "seconds" else len(times)) / limit, 1)
        left = limit - trained if unit == "seconds" else (limit - len(times)) * statistics.median(times[-20:])
        print(
            f"step {len(times) - 1:05d} ({share:.1%}) | loss: {smooth / (1 - 0.9 ** len(times)):.6f}"
            f" | lrm: {multiplier:.2f} | dt: {dt * 1000:.0f}ms | tok/sec: {TOTAL_BATCH_SIZE / dt:,.0f}"
            f" | mfu: {flops / dt / peak:.1%} | epoch: {epoch} | remaining: {max(left, 0):.0f}s    ",
            end="\r", flush=True,
        )  # fmt: skip

    while (progress := (trained if unit == "seconds" else given) / limit) < 1:
        waiting, loss = 0.0, torch.zeros((), device=model.stream_scale.device)
        for _ in range(accumulation):
            asked = time.perf_counter()
            x, y, epoch = next(batches)
            waiting += time.perf_counter() - asked
            part = run(x, y).mean() / accumulation
            scaler.scale(part).backward()
            loss += part.detach()
            if not given:  # a first pass leaves cycles, at times with gigabytes of activations in them
                gc.collect()
        multiplier = lr_multiplier(progress)
        for optimizer in opts:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * multiplier
            scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        scaler.update()
        given += 1
        ahead.append((device.Later(loss), multiplier, waiting, epoch))
        while len(ahead) > device.STEPS_AHEAD:
            finish(*ahead.popleft())
        if given == 1:  # nothing made so far dies: keep the collector from looking at it
            gc.collect()
            gc.freeze()
            gc.disable()
    while ahead:
        finish(*ahead.popleft())
    print()

    rows = device.evaluation_batch(batch, MAX_SEQ_LEN, s.vocab)
    if fitting:
        device.evaluate_once(run, rows, MAX_SEQ_LEN, s.vocab)
        print(f"fit: ok peak_vram_mb: {device.peak_vram_mb():.0f}")
        return
    bpb, val_loss = evaluate_bpb(run, rows, DEVICE)
    if not math.isfinite(bpb):
        fail(f"val_bpb {bpb}")
    if path := os.environ.get("OVERNIGHT_WEIGHTS"):
        device.save_weights(model, path)
    vram = device.peak_vram_mb()
    device.write_samples(model, get_tokenizer())
    steady = times[UNTIMED_STEPS:] or times
    summary = {
        "val_bpb": f"{bpb:.6f}",
        "val_loss": f"{val_loss:.6f}",
        "training_seconds": f"{trained:.1f}",
        "total_seconds": f"{time.perf_counter() - started:.1f}",
        "peak_vram_mb": f"{vram:.1f}",
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
    except (CorpusError, DeviceError, ValueError) as error:
        fail(str(error))
    except RuntimeError as error:
        if not device.out_of_memory(error):
            raise
        print("\n" + device.memory_advice(DEVICE_BATCH_SIZE, MAX_SEQ_LEN, DEPTH), flush=True)
        sys.exit(3 if os.environ.get("OVERNIGHT_FIT") else 1)
