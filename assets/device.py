"""What train.py needs of the machine: precision, memory, the peak rate, generated text.

Fixed for a session, like prepare.py: a researcher changes the model, not how the machine is used. The environment may
force a path: OVERNIGHT_DTYPE (bf16, fp16, fp32), OVERNIGHT_VRAM_MB (the memory that the process may take, the driver's
context counted), OVERNIGHT_DEVICE (cuda: fail where there is none), OVERNIGHT_SAMPLES (a file for text of the model's).
"""

import importlib.util
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.nn.functional as F
from corpus import Tokenizer
from torch import Tensor

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CPU_THREADS = 2  # pinned: sums depend on how many threads share them
CAPABILITY: tuple[int, int] = torch.cuda.get_device_capability() if DEVICE == "cuda" else (0, 0)
CONTEXT_MB = 700  # what the driver, cuBLAS and the compiled kernels take beside torch's own allocations
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

# Dense bf16 or fp16 matmul TFLOP/s by the makers' data sheets; the first name that is a word of the device's. Not that
# of a part of one (MIG), nor of another card that is called almost so: these are computed.
PEAK_TFLOPS = {
    "GH200": 989.5, "H200": 989.5, "H100 PCIe": 756, "H100 NVL": 835, "H100": 989.5, "B200": 2250, "A100": 312,
    "A40": 149.7, "A10": 125, "L40S": 362, "L40": 181, "L4": 121, "RTX 6000 Ada": 364, "RTX A6000": 154.8,
    "5090": 209.5, "5080": 112.6, "4090": 165.2, "4080": 97.5, "4070": 58.3, "3090": 71, "3080": 59.5, "3070": 40.6,
    "3060": 25.6, "V100": 125, "T4": 65,
}  # fmt: skip
NAMED = r"\b{}\b(?! (?:Ti|SUPER|Laptop|Max-Q|D)\b)(?!.* MIG )"
# FLOP per clock of one multiprocessor: matrix units (fp32 sums; consumer cards), plain fp32. By compute capability.
MATRIX_RATE = {
    (7, 0): 1024, (7, 5): 512, (8, 0): 2048, (8, 6): 512, (8, 9): 512, (9, 0): 4096, (10, 0): 8192, (12, 0): 512,
}  # fmt: skip
PLAIN_RATE = {(6, 0): 128, (6, 1): 256, (7, 0): 128, (7, 5): 128, (8, 0): 128}


class DeviceError(Exception):
    """The machine cannot do what was asked; the message is for the operator."""


def fail(reason: str) -> NoReturn:
    """Say FAIL and why; exit 1."""
    print(f"\nFAIL {reason}", flush=True)
    sys.exit(1)


# ------------------------------------------------------------------------------------------------- precision and rate


def compute_dtype() -> torch.dtype:
    """What the model multiplies in: bf16 where the hardware does, fp16 on Turing, else fp32 (a V100 can be told fp16).

    Weights, sums and optimizer states are fp32 everywhere.
    """
    if forced := os.environ.get("OVERNIGHT_DTYPE"):
        if forced not in DTYPES:
            fail(f"OVERNIGHT_DTYPE = {forced!r}: expected one of {', '.join(DTYPES)}")
        return DTYPES[forced]
    if DEVICE == "cuda":
        return torch.bfloat16 if CAPABILITY >= (8, 0) else torch.float16 if CAPABILITY >= (7, 5) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


DTYPE = compute_dtype()
WIDE_DTYPE = torch.float32 if DTYPE is torch.float16 else DTYPE  # for what has fp32's range: gradients, norms of them
COMPILED = (
    DEVICE == "cuda"
    and CAPABILITY >= (7, 0)
    and importlib.util.find_spec("triton") is not None
    and bool(shutil.which("gcc") or shutil.which("cc"))
)


def compiled(function: Any) -> Any:
    """`function` (or a module) compiled where this machine compiles, else as it is."""
    return torch.compile(function, dynamic=False) if COMPILED else function


def loss_scale() -> torch.amp.GradScaler:
    """Scales the loss so that fp16 gradients neither vanish nor overflow; does nothing in the other dtypes."""
    return torch.amp.GradScaler(DEVICE, init_scale=2.0**14, enabled=DTYPE is torch.float16)


def peak_flops() -> float:
    """FLOP/s of this device in DTYPE: by its data sheet, else units · rate · clock; infinite if unknown."""
    if DEVICE == "cpu":
        return math.inf
    properties = torch.cuda.get_device_properties(0)
    known = next(
        (tflops * 1e12 for key, tflops in PEAK_TFLOPS.items() if re.search(NAMED.format(key), properties.name)), 0.0
    )
    if known and DTYPE is not torch.float32:
        return known
    rates = PLAIN_RATE if DTYPE is torch.float32 else MATRIX_RATE
    clock = 1000.0 * getattr(properties, "clock_rate", 0)  # Hz
    rate = rates.get(CAPABILITY, 256 if DTYPE is torch.float32 else 0)
    return properties.multi_processor_count * rate * clock or math.inf


# ------------------------------------------------------------------------------------------------------------- memory


def start(seed: int) -> None:
    """Seed, threads, determinism, cap of memory: once, before the model is made.

    Raises DeviceError where a GPU was promised and there is none: a night on the CPU would pass for research.
    """
    if DEVICE == "cpu" and os.environ.get("OVERNIGHT_DEVICE") == "cuda":
        raise DeviceError(f"no GPU to train on, though this session has one: {_why_no_gpu()}")
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    if DEVICE == "cpu":
        torch.set_num_threads(CPU_THREADS)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # costs a pass over memory, guards nothing here
    elif cap := cap_mb():
        total = torch.cuda.get_device_properties(0).total_memory / 2**20
        torch.cuda.set_per_process_memory_fraction(min(1.0, max(0.0, cap - CONTEXT_MB) / total))


def cap_mb() -> float:
    """OVERNIGHT_VRAM_MB in MiB; 0 = no cap. Raises DeviceError for what is no number."""
    text = os.environ.get("OVERNIGHT_VRAM_MB") or "0"
    try:
        cap = float(text)
    except ValueError:
        cap = -1.0
    if not 0 <= cap < math.inf:
        raise DeviceError(f"OVERNIGHT_VRAM_MB = {text!r}: expected MiB of the GPU's memory, such as 8000")
    return cap


def _why_no_gpu() -> str:
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "No CUDA GPUs are available"


def peak_vram_mb() -> float:
    """The most that torch had allocated at once, in MiB; 0 on the CPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else 0.0


def evaluation_batch(batch: int, width: int, vocab: int) -> int:
    """Rows that evaluation sends through at once: `batch` on the CPU, up to 128 where a GPU's free memory allows.

    `width`: tokens of a row. A row costs its logits a few times over, in fp32.
    """
    if DEVICE == "cpu":
        return batch
    free = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    if cap := cap_mb():
        free = min(free, int((cap - CONTEXT_MB) * 2**20) - torch.cuda.memory_allocated())
    fitting = max(1, free // 3 // (16 * width * vocab))
    return max(batch, min(128, 1 << (fitting.bit_length() - 1)))


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is the GPU's memory being full."""
    while error is not None:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "STATUS_ALLOC_FAILED" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


def memory_advice(rows: int, width: int, depth: int) -> str:
    """What did not fit, where the memory is, and what to do about it, in one line."""
    room, held = "this machine has", ""
    if DEVICE == "cuda":
        free, total = (part / 2**20 for part in torch.cuda.mem_get_info())
        others = total - free - torch.cuda.memory_reserved() / 2**20 - CONTEXT_MB
        room = f"this GPU's {total:,.0f} MB"
        if cap := cap_mb():
            room = f"the {cap:,.0f} MB that OVERNIGHT_VRAM_MB allows"
        if others > 1000:
            held = f"; other processes hold about {others:,.0f} MB of it (nvidia-smi tells whose)"
    return (
        f"out of memory: {rows} rows of {width} tokens at depth {depth} need more than {room}{held}. Halve "
        "DEVICE_BATCH_SIZE (the result stays the same, a step takes longer), set CHECKPOINT = True, or make the model "
        "or MAX_SEQ_LEN smaller"
    )


class Later:
    """A number that the device is still computing, copied when it is there; `value()` waits for it."""

    def __init__(self, number: Tensor) -> None:
        self._number, self._event = number.detach(), None
        if DEVICE == "cuda":
            self._number = self._number.to("cpu", non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()

    def value(self) -> float:
        """The number."""
        if self._event is not None:
            self._event.synchronize()
        return self._number.item()


def random_batches(batch: int, width: int, vocab: int) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Endless (x, y, 1) of random ids, (batch, width) each: what a trial of the memory needs, without data."""
    while True:
        x = torch.randint(vocab, (batch, width), device=DEVICE)
        yield x, x, 1


@torch.no_grad()
def evaluate_once(model: Callable[[Tensor, Tensor], Tensor], rows: int, width: int, vocab: int) -> None:
    """One batch of random ids through the model as evaluation sends it."""
    x, y, _ = next(random_batches(rows, width, vocab))
    float(model(x, y).double().sum())


STEPS_AHEAD = 1 if DEVICE == "cuda" else 0  # steps given to the device before the loss of one is read


# ------------------------------------------------------------------------------------------------ the same, for less


def softcap(x: Tensor, cap: float) -> Tensor:
    """Within ±cap, smoothly: cap · tanh(x / cap); compiled by way of the sigmoid, which is much cheaper there."""
    return cap * (2 * torch.sigmoid(x * (2 / cap)) - 1) if COMPILED else cap * torch.tanh(x / cap)


def nats(logits: Tensor, targets: Tensor, bound: float) -> Tensor:
    """(B, T, vocab) logits within ±bound and (B, T) targets → (B, T) cross entropies.

    Compiled, one pass over the logits: so bounded, their exponentials cannot overflow, and no maximum is sought first.
    """
    if not COMPILED or bound > 60:
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    is_target = torch.arange(logits.size(-1), device=logits.device) == targets.unsqueeze(-1)
    return logits.exp().sum(-1).log() - torch.where(is_target, logits, 0.0).sum(-1)


class _SquaredRelu(torch.autograd.Function):
    """Keeps its result alone for the backward pass, of which the next matmul keeps the same tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = F.relu(x).square()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return g[0] * (2 * result.sqrt())


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)²; on a GPU with half the memory."""
    return _SquaredRelu.apply(x) if DEVICE == "cuda" else F.relu(x).square()  # type: ignore[no-untyped-call]


# ---------------------------------------------------------------------------------------------------------------- text

PROMPTS = ("The most important thing", "Once upon a time", "def main(")
SAMPLE_TOKENS = 48


@torch.no_grad()
def generate(model: Any, tokenizer: Tokenizer, prompt: str, tokens: int, temperature: float, seed: int) -> str:
    """What the model writes on after `prompt`: `tokens` ids drawn from its `logits` at `temperature`; 0 = the best.

    The same arguments give the same text on the same machine. It sees at most the context that it was trained on.
    """
    from attention import plain

    longest = model.rotary.cos.size(0)
    ids = [tokenizer.bos, *tokenizer.encode(prompt)]
    start, room = len(ids), min(longest, len(ids) + tokens)
    dice = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    with plain(model.s.windows, room):
        for _ in range(tokens):
            seen = ids[-room:]
            padded = torch.tensor([seen + [0] * (room - len(seen))], device=device)  # what follows is not seen
            logits = model.logits(padded)[0, len(seen) - 1].float().cpu()
            if temperature > 0:
                chosen = torch.multinomial((logits / temperature).softmax(-1), 1, generator=dice)
            else:
                chosen = logits.argmax(-1, keepdim=True)
            ids.append(int(chosen))
    return tokenizer.decode(ids[start:])


def save_weights(model: torch.nn.Module, file: str) -> None:
    """Save the final weights; a disk that fails does not fail the run."""
    try:
        torch.save(model.state_dict(), file)
    except (OSError, RuntimeError) as error:
        print(f"weights: not saved: {error}".splitlines()[0][:300], flush=True)
        Path(file).unlink(missing_ok=True)  # half of them is none


def write_samples(model: Any, tokenizer: Tokenizer) -> None:
    """Write JSON [{"prompt", "text"}] for the fixed prompts to $OVERNIGHT_SAMPLES, if that is set; never fail a run."""
    if not (file := os.environ.get("OVERNIGHT_SAMPLES")):
        return
    try:
        texts = [generate(model, tokenizer, prompt, SAMPLE_TOKENS, 0.8, seed=0) for prompt in PROMPTS]
        written = [{"prompt": prompt, "text": text} for prompt, text in zip(PROMPTS, texts, strict=True)]
        Path(file).write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")
    except Exception as error:  # a researcher's model may lack or change what this needs
        print(f"samples: none written: {type(error).__name__}: {error}".splitlines()[0][:300], flush=True)
