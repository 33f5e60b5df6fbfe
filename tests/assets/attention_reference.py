"""Attention by its definition, in float64: what every backend is held against. Run on a GPU, it checks all it has.

`python -m tests.assets.attention_reference` prints, for each backend that works there, its error against the reference
(forward and each gradient), with windows, shared key heads and slices of a larger tensor, and its speed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CASES = [(2, 256, 4, 4, 64, 96), (2, 256, 4, 2, 128, 256), (1, 384, 6, 6, 128, 128), (3, 128, 2, 1, 64, 33)]
"""(batch, tokens, heads, key heads, head dim, window)."""
SPEED = [(64, 2048, 4, 4, 128, window) for window in (1024, 2048)]


def inputs(case: tuple[int, ...], dtype: torch.dtype, device: str) -> list[Tensor]:
    """q, k, v and the gradient that comes back; q and k are slices of one tensor, as in the model."""
    B, T, H, K, D, _ = case
    both, v, g = (torch.randn(B, T, heads, D, device=device, dtype=dtype) for heads in (H + K, K, H))
    q, k = both.split((H, K), dim=2)
    return [q, k, v, g]


def exact(q: Tensor, k: Tensor, v: Tensor, g: Tensor, window: int) -> list[Tensor]:
    """The result and the gradients of q, k and v in float64; (B, T, heads, head_dim) each."""
    q, k, v = (x.detach().double().requires_grad_() for x in (q, k, v))
    T, share = q.size(1), q.size(2) // k.size(2)
    back = torch.arange(T, device=q.device)[:, None] - torch.arange(T, device=q.device)
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k.repeat_interleave(share, dim=2)) / q.size(3) ** 0.5
    weights = scores.masked_fill((back < 0) | (back >= window), -torch.inf).softmax(-1)
    result = torch.einsum("bhqk,bkhd->bqhd", weights, v.repeat_interleave(share, dim=2))
    return [result.detach(), *torch.autograd.grad(result, (q, k, v), g.double())]


def errors(attend: Callable[..., Tensor], case: tuple[int, ...], dtype: torch.dtype, device: str) -> list[float]:
    """Relative errors of the result and the gradients of q, k and v."""
    q, k, v, g = inputs(case, dtype, device)
    leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    result = attend(*leaves, case[-1])
    found = [result, *torch.autograd.grad(result, leaves, g)]
    return [
        float((a.detach().double() - b).norm() / b.norm())
        for a, b in zip(found, exact(q, k, v, g, case[-1]), strict=True)
    ]


def timed(attend: Callable[..., Tensor], case: tuple[int, ...], dtype: torch.dtype) -> str:
    """Milliseconds of a forward and a backward pass, and the TFLOP/s of the pairs of tokens that see each other."""
    from triton.testing import do_bench

    q, k, v, g = inputs(case, dtype, "cuda")
    leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    run: Any = torch.compile(attend, dynamic=False)
    ms = do_bench(
        lambda: torch.autograd.grad(run(*leaves, case[-1]), leaves, g), warmup=30, rep=100, return_mode="median"
    )
    B, T, H, _, D, window = case
    pairs = sum(min(i + 1, window) for i in range(T))
    return f"window {window}: {ms:.2f} ms, {14 * B * H * D * pairs / ms / 1e9:.0f} TFLOP/s"


def main() -> None:
    """Check and time the backends of this GPU."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "assets"))
    import attention
    import device

    torch.manual_seed(0)
    worst = 0.0
    for name in attention.BACKENDS:
        try:
            attention.choose_attention(name, 128)
        except device.DeviceError as error:
            print(f"{name}: {error}", flush=True)
            continue
        if name == "matmul":
            continue
        torch._dynamo.reset()  # the shapes of the last backend are no recompilations of this one
        found = []
        for case in CASES:
            attention.make_masks([case[-1]], case[1])
            found.append(max(errors(torch.compile(attention.attend, dynamic=False), case, device.DTYPE, "cuda")))
        worst = max(worst, *found)
        print(f"{name}: errors {' '.join(f'{error:.1e}' for error in found)}", flush=True)
        if name != "sdpa":
            torch._dynamo.reset()
            for case in SPEED:
                attention.make_masks([case[-1]], case[1])
                print(f"{name}: {timed(attention.attend, case, device.DTYPE)}", flush=True)
    assert worst < 0.01, f"a backend is off by {worst:.1e}"


if __name__ == "__main__":
    main()
