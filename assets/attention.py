"""Attention by the best means that a machine has: one function, `attend`, whatever computes it.

Fixed for a session, like prepare.py. train.py asks with ATTENTION, the environment with OVERNIGHT_ATTENTION.
"""

import atexit
import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from device import CAPABILITY, COMPILED, DEVICE, DTYPE, DeviceError
from torch import Tensor
from torch.nn.attention import SDPBackend

BACKENDS = {
    "flash3": "Flash Attention 3",
    "flash4": "Flash Attention 4",
    "flash2": "Flash Attention 2",
    "cudnn": "cuDNN's attention with its window",
    "flex": "FlexAttention, compiled, the window as a mask of blocks",
    "sdpa": "torch's attention; the window as a mask added to the scores",
    "matmul": "two matmuls and a mask: the fastest on a CPU at this size",
}
HUB_KERNELS = ("varunneal/flash-attention-3", "kernels-community/flash-attn3")

PLAIN = "matmul" if DEVICE == "cpu" else "sdpa"  # what needs nothing but torch, at any length
_backend = PLAIN
_flash: Any = None  # what computes, for the backends that bring a kernel
_masks: dict[tuple[int, int], Any] = {}  # by window and context


def backend() -> str:
    """The name of the backend that `attend` uses."""
    return _backend


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Causal attention of (B, T, heads, head_dim) over the last `window` tokens; fewer key heads are shared out."""
    if _backend in ("flash2", "flash3", "flash4", "cudnn"):
        return _flash(q, k, v, window)
    T, shared = q.size(1), k.size(2) != q.size(2)
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if _backend == "matmul":  # one matmul onto the mask beats the fused kernel, above all backward
        k, v = (x.repeat_interleave(q.size(1) // k.size(1), dim=1) if shared else x for x in (k, v))
        scores = torch.baddbmm(_masks[window, T], q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.size(-1) ** -0.5)
        y = (scores.softmax(dim=-1) @ v.flatten(0, 1)).view(q.shape)
    elif window >= T:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=shared)
    elif _backend == "flex":
        from torch.nn.attention.flex_attention import flex_attention

        y = flex_attention(q, k, v, block_mask=_masks[window, T], enable_gqa=shared)
    else:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=_masks[window, T], enable_gqa=shared)
    return y.transpose(1, 2)


def make_masks(windows: Iterable[int], context: int) -> None:
    """What attention over `context` tokens needs besides q, k and v: blocks for flex, else 0 or -inf for each score."""
    for window in set(windows):
        if _backend == "flex" and window < context:
            from torch.nn.attention.flex_attention import create_block_mask

            def seen(_b: Tensor, _h: Tensor, q: Tensor, k: Tensor, window: int = window) -> Tensor:
                return (q >= k) & (q - k < window)

            _masks[window, context] = create_block_mask(seen, None, None, context, context, device=DEVICE)
        elif _backend in ("matmul", "sdpa"):
            position = torch.arange(context, device=DEVICE)
            back = position[:, None] - position
            allowed = (back >= 0) & (back < window)
            _masks[window, context] = (
                torch.zeros(allowed.shape, device=DEVICE).masked_fill(~allowed, -math.inf).to(DTYPE)
            )


@contextmanager
def plain(windows: Iterable[int], context: int) -> Iterator[None]:
    """Within, `attend` uses torch's own means over `context` tokens: nothing is compiled or planned for that length."""
    global _backend
    before, masks = _backend, dict(_masks)
    _backend = PLAIN
    try:
        make_masks(windows, context)
        yield
    finally:
        _backend = before
        _masks.clear()
        _masks.update(masks)


def choose_attention(asked: str | None, head_dim: int) -> str:
    """Set the backend that `attend` uses and return its name: OVERNIGHT_ATTENTION, else `asked`, else the best here.

    A kernel that is installed is tried first, on a small case against plain attention: one that fails or disagrees is
    passed over, aloud. Raises DeviceError where the one that was asked for cannot be used.
    """
    global _backend, _flash
    asked = os.environ.get("OVERNIGHT_ATTENTION") or asked
    if asked is not None and asked not in BACKENDS:
        raise DeviceError(f"ATTENTION = {asked!r}: expected one of {', '.join(BACKENDS)}, or None for the best here")
    for name in [asked] if asked else _preferred():
        try:
            _flash = _open(name, head_dim)
        except Exception as error:  # whatever a foreign package raises when it is imported or run
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            if asked:
                raise DeviceError(f"ATTENTION = {name!r} cannot be used here: {reason}") from error
            if not isinstance(error, ModuleNotFoundError):
                print(f"attention: {BACKENDS[name]} is installed and cannot be used: {reason}", flush=True)
            continue
        _backend = name
        break
    _masks.clear()
    if CAPABILITY[0] == 9:  # cuDNN first: there it takes two thirds of the time of Flash Attention 2
        order = (
            SDPBackend.CUDNN_ATTENTION,
            SDPBackend.FLASH_ATTENTION,
            SDPBackend.EFFICIENT_ATTENTION,
            SDPBackend.MATH,
        )
        torch._C._set_sdp_priority_order([int(kernel) for kernel in order])
    return _backend


def _preferred() -> list[str]:
    """Backends worth trying on this machine, the best first."""
    if DEVICE == "cpu":
        return ["matmul"]
    if DTYPE is torch.float32 or CAPABILITY < (8, 0):
        return ["sdpa"]
    hopper, blackwell = ["flash3", "flash4", "cudnn", "flash2"], ["flash4", "cudnn", "flash2"]
    fused = {9: hopper, 10: blackwell}.get(CAPABILITY[0], ["flash2"])
    return [*fused, *(["flex"] if COMPILED else []), "sdpa"]


def _open(name: str, head_dim: int) -> Any:
    """What computes a backend that brings its own kernel, tried; None for those of torch. Raises what it raises."""
    if name == "flex" and not COMPILED:
        raise DeviceError("it must be compiled, which needs a GPU, triton and a C compiler")
    if name in ("flex", "sdpa", "matmul"):
        return None
    if DEVICE == "cpu":
        raise DeviceError("it needs a GPU")
    flash = {"flash2": _flash2, "flash3": _flash3, "flash4": _flash4, "cudnn": _cudnn}[name]()
    q, k, v, g = (torch.randn(2, 256, 2, head_dim, device=DEVICE, dtype=DTYPE, requires_grad=True) for _ in range(4))
    back = torch.arange(256, device=DEVICE)[:, None] - torch.arange(256, device=DEVICE)
    for window in (96, 256):
        exact = (x.detach().float().transpose(1, 2).requires_grad_() for x in (q, k, v))
        mask = (back >= 0) & (back < window)
        wide = list(exact)
        expected = F.scaled_dot_product_attention(*wide, attn_mask=mask)
        wanted = (expected, *torch.autograd.grad(expected, wide, g.detach().float().transpose(1, 2)))
        result = flash(q, k, v, window)
        for got, want in zip((result, *torch.autograd.grad(result, (q, k, v), g.detach())), wanted, strict=True):
            error = (got.float().transpose(1, 2) - want).norm() / want.norm()
            if not error < 0.02:
                raise DeviceError(f"with a window of {window} its result is off by {float(error):.2g} of its size")
    return flash


def _back(window: int, q: Tensor) -> int:
    """Tokens before the present one, as flash kernels count a window; -1 = all."""
    return window - 1 if window < q.size(1) else -1


def _flash2() -> Any:
    from flash_attn import flash_attn_func  # type: ignore[import-not-found]

    return lambda q, k, v, window: flash_attn_func(q, k, v, causal=True, window_size=(_back(window, q), 0))


def _flash3() -> Any:
    if importlib.util.find_spec("flash_attn_interface") is not None:
        function = importlib.import_module("flash_attn_interface").flash_attn_func
    else:
        function = _from_hub().flash_attn_func

    def flash(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        found = function(q, k, v, causal=True, window_size=(_back(window, q), 0))
        return found[0] if isinstance(found, tuple) else found  # older releases give the log-sum-exp too

    return flash


def _from_hub() -> Any:
    """Flash Attention 3 from the hub's cache on this disk: a run has no network, so what is not there is not had."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from kernels import get_kernel  # type: ignore[import-not-found]

    for repo in HUB_KERNELS:
        if (Path(HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}").is_dir():
            return get_kernel(repo).flash_attn_interface
    raise ModuleNotFoundError(f"none of {', '.join(HUB_KERNELS)} is in {HF_HUB_CACHE}")


def _flash4() -> Any:
    cute = importlib.import_module("flash_attn.cute.interface")

    def forward(q: Tensor, k: Tensor, v: Tensor, window: int) -> tuple[Tensor, Tensor]:
        left = window - 1 if window < q.size(1) else None
        out, lse, *_ = cute._flash_attn_fwd(
            q, k, v, causal=left is None, window_size_left=left, window_size_right=None if left is None else 0,
            return_lse=True,
        )  # fmt: skip
        return out, lse

    def backward(
        g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, window: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        left = window - 1 if window < q.size(1) else None
        dq, dk, dv, *_ = cute._flash_attn_bwd(
            q, k, v, out, g, lse, causal=left is None, window_size_left=left,
            window_size_right=None if left is None else 0,
        )  # fmt: skip
        return dq, dk, dv

    return _operator("flash4", forward, backward)


def _operator(name: str, forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """A differentiable operator that torch.compile takes as a whole, from a kernel's two passes."""

    @torch.library.custom_op(f"overnight::{name}", mutates_args=())
    def operator(q: Tensor, k: Tensor, v: Tensor, window: int) -> tuple[Tensor, Tensor]:
        out, lse = forward(q, k, v, window)
        return out.contiguous(), lse.contiguous()

    @torch.library.custom_op(f"overnight::{name}_backward", mutates_args=())
    def reverse(
        g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, window: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        dq, dk, dv = backward(g.contiguous(), q, k, v, out, lse, window)
        return dq.contiguous(), dk.contiguous(), dv.contiguous()

    @operator.register_fake
    def _(q: Tensor, k: Tensor, v: Tensor, window: int) -> tuple[Tensor, Tensor]:
        B, T, H, _D = q.shape
        return q.new_empty((*q.shape[:3], v.shape[3])), q.new_empty((B, H, T), dtype=torch.float32)

    @reverse.register_fake
    def _(
        g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, window: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *qkv, ctx.window = inputs
        ctx.save_for_backward(*qkv, *output)

    def differentiate(ctx: Any, g: Tensor, _lse: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        return (*reverse(g, *ctx.saved_tensors, ctx.window), None)

    operator.register_autograd(differentiate, setup_context=keep)
    return lambda q, k, v, window: operator(q, k, v, window)[0]


def _cudnn() -> Any:
    """cuDNN's attention by its own front end, since torch's does not offer the window."""
    import cudnn  # type: ignore[import-not-found]

    kind = {torch.bfloat16: cudnn.data_type.BFLOAT16, torch.float16: cudnn.data_type.HALF}[DTYPE]
    fp32 = cudnn.data_type.FLOAT
    handle = cudnn.create_handle()

    def named(graph: Any, name: str, like: Tensor) -> Any:
        (B, T, H, D), (b, t, h, d) = like.shape, like.stride()
        return graph.tensor(name=name, dim=[B, H, T, D], stride=[b, h, t, d], data_type=kind)

    def give(tensor: Any, like: Tensor) -> Any:
        B, T, H, D = like.shape
        return tensor.set_output(True).set_dim([B, H, T, D]).set_stride([T * H * D, D, H * D, 1])

    def new_graph() -> Any:
        return cudnn.pygraph(io_data_type=kind, intermediate_data_type=fp32, compute_data_type=fp32, handle=handle)

    def built(graph: Any) -> Any:
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        graph.check_support()
        graph.build_plans()
        return graph

    def band(q: Tensor, window: int) -> dict[str, Any]:
        left = {"diagonal_band_left_bound": window} if window < q.size(1) else {}
        top_left = cudnn.diagonal_alignment.TOP_LEFT
        return {"attn_scale": q.size(3) ** -0.5, "diagonal_alignment": top_left, "diagonal_band_right_bound": 0, **left}

    plans: dict[Any, Any] = {}
    atexit.register(plans.clear)  # before the interpreter goes: what holds them complains otherwise

    def run(key: Any, build: Callable[[], tuple[Any, list[Any]]], tensors: list[Tensor]) -> None:
        if key not in plans:
            plans[key] = build()
        graph, names = plans[key]
        cudnn.set_stream(handle=handle, stream=torch.cuda.current_stream().cuda_stream)
        room = torch.empty(max(1, graph.get_workspace_size()), dtype=torch.uint8, device=DEVICE)
        graph.execute(dict(zip(names, tensors, strict=True)), room, handle=handle)

    def layout(*tensors: Tensor) -> tuple[Any, ...]:
        return tuple((tuple(t.shape), t.stride()) for t in tensors)

    def forward(q: Tensor, k: Tensor, v: Tensor, window: int) -> tuple[Tensor, Tensor]:
        B, T, H, _ = q.shape
        out = torch.empty((B, T, H, v.size(3)), dtype=q.dtype, device=q.device)
        lse = torch.empty((B, H, T), dtype=torch.float32, device=q.device)

        def build() -> tuple[Any, list[Any]]:
            graph = new_graph()
            inputs = [named(graph, name, like) for name, like in (("q", q), ("k", k), ("v", v))]
            o, stats = graph.sdpa(
                name="forward", q=inputs[0], k=inputs[1], v=inputs[2], generate_stats=True, **band(q, window)
            )
            give(o, out)
            stats.set_output(True).set_data_type(fp32)
            return built(graph), [*inputs, o, stats]

        run(("forward", window, *layout(q, k, v)), build, [q, k, v, out, lse.unsqueeze(-1)])
        return out, lse

    def backward(
        g: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor, window: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        B, T, H, _ = q.shape
        made = [torch.empty(like.shape, dtype=like.dtype, device=like.device) for like in (q, k, v)]

        def build() -> tuple[Any, list[Any]]:
            graph = new_graph()
            given = zip("qkvog", (q, k, v, out, g), strict=True)
            q_, k_, v_, o_, g_ = inputs = [named(graph, name, like) for name, like in given]
            stats = graph.tensor(name="stats", dim=[B, H, T, 1], stride=[H * T, T, 1, 1], data_type=fp32)
            gradients = graph.sdpa_backward(
                name="backward", q=q_, k=k_, v=v_, o=o_, dO=g_, stats=stats, **band(q, window)
            )
            for gradient, like in zip(gradients, made, strict=True):
                give(gradient, like)
            return built(graph), [*inputs, stats, *gradients]

        run(("backward", window, *layout(q, k, v)), build, [q, k, v, out, g, lse.unsqueeze(-1), *made])
        return made[0], made[1], made[2]

    return _operator("cudnn", forward, backward)
