"""Two kernels for Hopper GPUs that spare passes over memory: the MLP's activation and the loss, beside their matmuls.

Fixed for a session, like prepare.py. Elsewhere both functions are what their first lines say, in plain torch. Reading
or writing a gigabyte takes an H100 a third of a millisecond, and a step at depth 8 does so several hundred times.
"""

import os
from typing import Any

import torch
import torch.nn.functional as F
from device import CAPABILITY, COMPILED, DTYPE, nats, softcap, squared_relu
from torch import Tensor

USED = COMPILED and CAPABILITY == (9, 0) and DTYPE is torch.bfloat16 and os.environ.get("OVERNIGHT_FUSED") != "0"
TILES = {False: (128, 256, 64, 4), True: (256, 128, 64, 3)}  # rows, columns, depth of a load, loads in flight; backward
EVEN = 256  # what rows and hidden width must be multiples of, so that tiles need no masks
WIDEST = 32_768  # of a vocabulary whose row of logits one block holds in registers


def squared_relu_mlp(x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """down(relu(up(x))²) of (…, width), for weights (hidden, width) and (width, hidden)."""
    up, down = up.to(x.dtype), down.to(x.dtype)
    rows = x.numel() // x.size(-1)
    if USED and not (x.size(-1) % 64 or up.size(0) % EVEN or rows % EVEN):
        return _Mlp.apply(x.reshape(rows, -1), up, down).view(x.shape)  # type: ignore[no-untyped-call]
    return F.linear(squared_relu(F.linear(x, up)), down)


def head_nats(x: Tensor, head: Tensor, targets: Tensor, cap: float) -> Tensor:
    """Cross entropies (B, T) of softcap(head(x)) for x (B, T, width), weights (vocab, width) and targets (B, T)."""
    head = head.to(x.dtype)
    if USED and torch.is_grad_enabled() and head.size(0) <= WIDEST and cap <= 60:
        flat = _HeadNats.apply(x.flatten(0, 1), head, targets.flatten(), cap)  # type: ignore[no-untyped-call]
        return flat.view(targets.shape)
    return nats(softcap(F.linear(x, head).float(), cap), targets, cap)


class _Mlp(torch.autograd.Function):
    """Keeps x and the activation; its slope is twice the root of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, up: Tensor, down: Tensor) -> Tensor:
        hidden = torch.ops.overnight.squared_relu(x, up)
        ctx.save_for_backward(x, hidden, up, down)
        return hidden @ down.mT

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (g,), (x, hidden, up, down) = gs, ctx.saved_tensors
        inner = torch.ops.overnight.squared_relu_backward(g, down.mT.contiguous(), hidden)
        return inner @ up, inner.mT @ x, g.mT @ hidden


class _HeadNats(torch.autograd.Function):
    """The gradient of the logits is made with the loss, while a row of them is at hand, and scaled afterwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, targets: Tensor, cap: float) -> Tensor:
        found, slope = torch.ops.overnight.capped_nats(x @ head.mT, targets, cap)
        ctx.save_for_backward(x, head, slope)
        return found

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, head, slope = ctx.saved_tensors
        g = gs[0].unsqueeze(1).to(x.dtype)
        return (slope @ head) * g, slope.mT @ (x * g), None, None


if USED:
    import triton
    import triton.language as tl
    from triton.tools.tensor_descriptor import TensorDescriptor

    @triton.jit
    def _squared_relu_kernel(
        x, w, hidden, out, rows, columns, depth,
        M: tl.constexpr, N: tl.constexpr, K: tl.constexpr, PROGRAMS: tl.constexpr, BACKWARD: tl.constexpr,
    ) -> None:  # fmt: skip
        # out (rows, columns) = relu(x @ w.T)² or, backward, (x @ w.T) · 2 √hidden. Tiles row by row: those of one row
        # read the same x at about the same time.
        across = columns // N
        for tile in tl.range(tl.program_id(0), rows // M * across, PROGRAMS, flatten=True):
            row, column = tile // across * M, tile % across * N
            total = tl.zeros((M, N), dtype=tl.float32)
            for k in range(0, depth, K):
                total = tl.dot(x.load([row, k]), w.load([column, k]).T, total)
            halves = tl.split(tl.permute(tl.reshape(total, (M, 2, N // 2)), (0, 2, 1)))
            for i in tl.static_range(2):
                half = halves[i]
                if BACKWARD:
                    half = half * 2.0 * tl.sqrt(hidden.load([row, column + i * (N // 2)]).to(tl.float32))
                else:
                    half = tl.maximum(half, 0.0)
                    half = half * half
                out.store([row, column + i * (N // 2)], half.to(out.dtype))

    def _launch(x: Tensor, w: Tensor, hidden: Tensor | None) -> Tensor:
        rows, depth, columns = x.size(0), x.size(1), w.size(0)
        M, N, K, stages = TILES[hidden is not None]
        out = torch.empty((rows, columns), dtype=x.dtype, device=x.device)
        programs = min(torch.cuda.get_device_properties(x.device).multi_processor_count, rows // M * (columns // N))
        describe, half = TensorDescriptor.from_tensor, [M, N // 2]
        made = describe(out, half)
        _squared_relu_kernel[(programs,)](
            describe(x.contiguous(), [M, K]), describe(w.contiguous(), [N, K]),
            made if hidden is None else describe(hidden.contiguous(), half), made, rows, columns, depth,
            M, N, K, programs, hidden is not None, num_warps=8, num_stages=stages,
        )  # fmt: skip
        return out

    @torch.library.custom_op("overnight::squared_relu", mutates_args=())
    def _squared_relu(x: Tensor, w: Tensor) -> Tensor:
        return _launch(x, w, None)

    @torch.library.custom_op("overnight::squared_relu_backward", mutates_args=())
    def _squared_relu_backward(g: Tensor, w: Tensor, hidden: Tensor) -> Tensor:
        return _launch(g, w, hidden)

    @_squared_relu.register_fake
    def _(x: Tensor, w: Tensor) -> Tensor:
        return x.new_empty((x.size(0), w.size(0)))

    @_squared_relu_backward.register_fake
    def _(g: Tensor, w: Tensor, hidden: Tensor) -> Tensor:
        return hidden.new_empty(hidden.shape)

    @triton.jit
    def _capped_nats_kernel(z, targets, found, slope, vocab, cap, WIDTH: tl.constexpr) -> None:
        # One row of logits: soft cap, log of the sum of exponentials (bounded, so no maximum first), gradient.
        row = tl.program_id(0).to(tl.int64)
        at = tl.arange(0, WIDTH)
        value = tl.load(z + row * vocab + at, mask=at < vocab, other=0.0).to(tl.float32)
        tanh = 1.0 - 2.0 / (tl.exp2(value * (2.8853900817779268 / cap)) + 1.0)
        weight = tl.where(at < vocab, tl.exp2(tanh * (cap * 1.4426950408889634)), 0.0)
        total = tl.sum(weight, 0)
        target = tl.load(targets + row)
        tl.store(found + row, tl.log(total) - cap * tl.sum(tl.where(at == target, tanh, 0.0), 0))
        share = weight * (1.0 / total) - tl.where(at == target, 1.0, 0.0)
        tl.store(slope + row * vocab + at, (share * (1.0 - tanh * tanh)).to(slope.dtype.element_ty), mask=at < vocab)

    @torch.library.custom_op("overnight::capped_nats", mutates_args=())
    def _capped_nats(z: Tensor, targets: Tensor, cap: float) -> tuple[Tensor, Tensor]:
        rows, vocab = z.shape
        z = z.contiguous()
        found, slope = torch.empty(rows, dtype=torch.float32, device=z.device), torch.empty_like(z)
        width = triton.next_power_of_2(vocab)
        _capped_nats_kernel[(rows,)](z, targets, found, slope, vocab, cap, width, num_warps=max(4, width // 1024))
        return found, slope

    @_capped_nats.register_fake
    def _(z: Tensor, targets: Tensor, cap: float) -> tuple[Tensor, Tensor]:
        return z.new_empty((z.size(0),), dtype=torch.float32), z.new_empty(z.shape)
