"""What of the machine a sandboxed process sees and may change, as bubblewrap's options in the order that they stack."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from engine.work.environment import cache_folder

_SECRETS = (
    ".ssh .aws .azure .gnupg .kube .docker .netrc .git-credentials .pypirc .npmrc .pgpass .vault-token .config/gcloud "
    ".config/gh .config/hub .cache/huggingface/token .huggingface .kaggle .claude .claude.json .codex .gemini .pi "
    ".config/opencode .local/share/opencode .aider.conf.yml .bash_history .zsh_history .python_history"
)
SECRETS = tuple(_SECRETS.split())
"""Under the home folder: credentials and what may hold some. Hidden unless given."""
DOORS = ("docker.sock", "podman", "containerd", "crio", "user", "dbus", "libvirt", "snapd.socket")
"""Under /run: sockets through which somebody else would act for the sandboxed process."""
_KEPT = (
    ".git .overnight hooks overnight.toml program.md autoresearch.md autoresearch.ideas.md autoresearch.jsonl "
    "autoresearch.sh autoresearch.checks.sh search_space.toml .gitignore .gitattributes train.py"
)
KEPT = tuple(_KEPT.split())
"""Of a session, what no run writes."""
CACHES = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton", "CUDA_CACHE_PATH": "cuda"}
"""Where compilers keep what they made, below `compiled` in the cache folder."""
NVIDIA = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps", "nvidia-caps-imex-channels")


class Places(msgspec.Struct, frozen=True):
    """The folders of one wrapped command; all are resolved."""

    session: Path
    writable: list[Path]
    readable: list[Path]

    def hidden(self) -> list[str]:
        """/tmp is empty and private, secrets and doors are gone; what must be seen of it is bound back."""
        options = ["--tmpfs", "/tmp"]
        home, shown = Path("~").expanduser(), [*self.writable, *self.readable]
        for path in [*(home / name for name in SECRETS), *(Path("/run") / name for name in DOORS)]:
            if any(path == one or path in one.parents or one in path.parents for one in shown):
                continue
            if path.is_dir():
                options += ["--tmpfs", str(path)]
            elif path.exists():
                options += ["--ro-bind", "/dev/null", str(path.resolve())]
        for path in _below_tmp([*_python(), *self.readable, cache_folder()]):
            options += ["--ro-bind", str(path), str(path)]
        return options

    def of_training(self, pinned: Iterable[str], strict: bool) -> list[str]:
        """The session: what a run may write of it. `strict`: run.log alone."""
        root = str(self.session)
        if strict:
            log = self.session / "run.log"
            log.touch()
            return ["--ro-bind", root, root, "--bind", str(log), str(log)]
        options = ["--bind", root, root]
        for name in dict.fromkeys((*KEPT, *pinned)):
            path = self.session / name
            if path.exists():
                options += ["--ro-bind", str(path), str(path)]
        if not (self.session / "hooks").exists():  # what it put there would be run outside
            options += ["--tmpfs", str(self.session / "hooks")]
        return options

    def of_agent(self) -> list[str]:
        """The session is there to be read."""
        return ["--ro-bind", str(self.session), str(self.session)]

    def given(self) -> list[str]:
        """What is the caller's to give."""
        options = []
        for path in self.writable:
            options += ["--bind", str(path), str(path)]
            if (path / ".git").exists():
                options += ["--ro-bind", str(path / ".git"), str(path / ".git")]
        return options

    def caches(self) -> list[str]:
        """Compile caches, writable, and the variables that name them."""
        compiled = cache_folder() / "compiled"
        options = []
        for variable, name in CACHES.items():
            folder = compiled / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue  # a full or foreign cache folder: the compiler uses its own place, in memory
            options += ["--bind", str(folder), str(folder), "--setenv", variable, str(folder)]
        return options

    def devices(self, device: str) -> list[str]:
        """The assigned GPU's device files; all GPUs' where it cannot be told which file is its."""
        if not device:
            return []
        found = [Path("/dev") / name for name in NVIDIA]
        minor = minor_of(device)
        found += [Path(f"/dev/nvidia{minor}")] if minor is not None else sorted(Path("/dev").glob("nvidia[0-9]*"))
        return [part for path in found if path.exists() for part in ("--dev-bind", str(path), str(path))]


def minor_of(device: str, proc: Path = Path("/proc/driver/nvidia/gpus")) -> int | None:
    """The number of the device file of the GPU with this UUID; None where the driver does not tell."""
    for path in proc.glob("*/information"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        uuid = re.search(r"GPU UUID:\s*(\S+)", text)
        minor = re.search(r"Device Minor:\s*(\d+)", text)
        if uuid and minor and uuid[1] == device:
            return int(minor[1])
    return None


def _python() -> list[Path]:
    """Where this interpreter, its packages and the programs on the PATH are."""
    named = [sys.prefix, sys.base_prefix, str(Path(sys.executable).parent), *sys.path]
    named += os.environ.get("PATH", "").split(os.pathsep)
    return [Path(name) for name in named if name.startswith("/")]


def _below_tmp(paths: Sequence[Path]) -> list[Path]:
    """Those that lie below /tmp and are there, the outer ones first."""
    tmp = Path("/tmp")
    found = {one for path in paths for one in (path, path.resolve()) if tmp in one.parents and one.is_dir()}
    return sorted(found, key=lambda path: (len(path.parts), path))
