"""What went wrong, read from the end of a program's log: pure text in, a cause and the telling lines out."""

from __future__ import annotations

import re

import msgspec

from engine.session.inert import inert

TAIL_BYTES = 65536
"""How much of a log's end is worth reading for this."""


class LogTrouble(msgspec.Struct, frozen=True):
    """`cause` is one word of `CAUSES`, "" when the log tells nothing; `line` the line that says so; `where` the last
    place in the session's own code that a traceback names, as "train.py line 12"."""

    cause: str = ""
    line: str = ""
    where: str = ""


CAUSES: tuple[tuple[str, str], ...] = (
    (
        "oom",
        r"OutOfMemoryError|CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
        r"|CUDNN_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|^(?:FAIL )?out of memory\b"
        r"|\[CUDA\]: out of memory",
    ),
    ("gpu_ecc", r"uncorrectable ECC|cudaErrorECCUncorrectable|CUDA_ERROR_ECC_UNCORRECTABLE|\bXid\b.*: (?:48|94|95),"),
    (
        "gpu_lost",
        r"GPU is lost|fallen off the bus|Unable to determine the device handle|NVML_ERROR_GPU_IS_LOST|\bXid\b.*: 79,",
    ),
    (
        "gpu_driver",
        r"[Dd]river/library version mismatch|driver version is insufficient|driver on your system is too old"
        r"|Found no NVIDIA driver|unsupported display driver / cuda driver|[Ff]orward compatibility was attempted"
        r"|CUDA unknown error|OS call failed or operation not supported"
        r"|system not yet initialized|communicate with the NVIDIA driver|cudaErrorInsufficientDriver",
    ),
    (
        "gpu_arch",
        r"no kernel image is available|not compatible with the current PyTorch|cudaErrorNoKernelImageForDevice"
        r"|PTX was compiled with an unsupported toolchain|only supports Ampere GPUs or newer|invalid device function",
    ),
    ("gpu_busy", r"busy or unavailable|cudaErrorDevicesUnavailable|CUDA_ERROR_DEVICE_UNAVAILABLE"),
    (
        "gpu_library",
        r"(?:CUDNN|CUBLAS)_STATUS_(?:NOT_INITIALIZED|SUBLIBRARY|INTERNAL_ERROR_HOST|VERSION)"
        r"|\blib(?:cudnn|cudart|cublas|cufft|cusparse|cusolver|curand|cupti|nccl|nvrtc|nvJitLink)"
        r"|cuDNN version incompatibility|ncclSystemError|ncclUnhandledCudaError|NCCL error",
    ),
    (
        "no_gpu",
        r"No CUDA GPUs are available|no CUDA-capable device|cudaErrorNoDevice|Torch not compiled with CUDA"
        r"|^FAIL no GPU to train on\b",
    ),
    (
        "oom_host",
        r"^MemoryError\b|DefaultCPUAllocator: (?:can't|not enough)|Cannot allocate memory|std::bad_alloc"
        r"|Unable to allocate .* for an array|[Oo]ut of memory: Killed process",
    ),
    ("disk_full", r"No space left on device|\bENOSPC\b|Disk quota exceeded|\[Errno (?:28|122)\]"),
    ("import_error", r"^(?:ModuleNotFoundError|ImportError)\b|cannot open shared object file"),
    ("syntax_error", r"^(?:SyntaxError|IndentationError|TabError)\b"),
    ("assertion", r"^AssertionError\b|Assertion `.*' failed"),
    (
        "nan",
        r"^FAIL\b.*(?:loss|nan|inf)|\bloss(?: is|:|=)?\s*[-+]?(?:nan|inf)\b"
        r"|^FloatingPointError\b|contains? (?:NaN|nan)",
    ),
    ("cuda_error", r"CUDA error:|CUDA driver|CUBLAS_STATUS_|CUDNN_STATUS_|device-side assert"),
)
"""Cause and pattern, the more telling first: an out-of-memory error is also a CUDA error.

The messages are those of the CUDA runtime's and driver's error tables, of PyTorch's checks of a device, and of the
kernel's log, as in "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."
"""
_COMPILED = tuple((cause, re.compile(pattern)) for cause, pattern in CAUSES)
_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Warning|Exit))(?::\s?(.*))?$")
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)')
_PROGRESS = re.compile(r"^step \d+ ")


def lines_of(text: str) -> list[str]:
    """The lines that a reader would see: escape sequences and control characters out, of progress lines the last."""
    seen: list[str] = []
    for raw in re.split(r"[\r\n]+", text):
        line = inert(raw).rstrip()
        if not line.strip():
            continue
        if seen and _PROGRESS.match(line) and _PROGRESS.match(seen[-1]):
            seen[-1] = line
        else:
            seen.append(line)
    return seen


def last_lines(text: str, count: int = 3, width: int = 300) -> list[str]:
    """The last `count` lines as a reader would see them, each cut to `width` characters."""
    return [line.strip()[:width] for line in lines_of(text)[-count:]]


def read_trouble(text: str) -> LogTrouble:
    """What the end of a log tells. The last exception decides; without one, the last line that fits a cause."""
    lines = lines_of(text)
    for at in range(len(lines) - 1, -1, -1):
        if found := _EXCEPTION.match(lines[at]):
            plain = f"{found[1]}: {found[2]}" if found[2] else found[1]
            return LogTrouble(_cause(plain) or "exception", plain[:300], _where(lines[:at]))
    for line in reversed(lines):
        if cause := _cause(line.strip()):
            return LogTrouble(cause, line.strip()[:300])
    return LogTrouble()


def _cause(line: str) -> str:
    return next((cause for cause, pattern in _COMPILED if pattern.search(line)), "")


def _where(lines: list[str]) -> str:
    """The deepest frame that is not the library's or the interpreter's."""
    for line in reversed(lines):
        if found := _FRAME.match(line):
            path = found[1]
            if path.startswith("<") or "/site-packages/" in path or re.search(r"/lib/python3[^/]*/", path):
                continue
            return f"{path.rsplit('/', 1)[-1]} line {found[2]}"
        if line.startswith("Traceback "):
            break
    return ""
