"""The sandbox: training and agents see the machine, but can change only what is theirs (bubblewrap, where it works).

Training gets no network, no other process, only its GPU's devices, a read-only machine, and of the session only what
a run legitimately writes. An agent keeps the network and gets its work tree and its own configuration to write. What
works is tried once per process; where nothing does, commands run as they are, unless the settings require a sandbox.
The leash stays outside: `leash.start(sandbox.wrap(argv, …))`.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from engine.work.sandbox_places import Places

Kind = Literal["train", "agent"]
Setting = Literal["auto", "require", "off"]
TRY_S = 20.0
_INSTALL = "sudo apt-get install bubblewrap   (or your system's own way)"
_USERNS = "sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
_CONTAINER = "run the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
_OWN_PROCESSES = ["--unshare-pid", "--proc", "/proc"]


class Rung(msgspec.Struct, frozen=True):
    """What this machine can do: `full`, `shared` (processes of others stay in sight), or `none`.

    `why` it is no higher and `how_to_get_higher` (a command) are "" on the highest.
    """

    name: Literal["full", "shared", "none"]
    why: str = ""
    how_to_get_higher: str = ""


class SandboxError(Exception):
    """The settings require a sandbox that this machine cannot give; the message says why and what helps."""


@functools.cache
def rung() -> Rung:
    """The highest rung of the ladder that works here; tried with the real program, once per process."""
    program = shutil.which("bwrap")
    if program is None:
        return Rung("none", "bubblewrap (bwrap) is not installed", _INSTALL)
    base = [program, *_FIXED, "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-net"]
    full = _tried([*base, *_OWN_PROCESSES, "true"])
    if not full:
        return Rung("full")
    shared = _tried([*base, "true"])
    if not shared:
        return Rung("shared", f"a process table of its own cannot be made: {full}", _CONTAINER)
    inside = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    return Rung("none", f"bubblewrap does not work here: {shared}", _CONTAINER if inside else _USERNS)


_FIXED = ["--die-with-parent", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"]


def _tried(argv: list[str]) -> str:
    """What went wrong, or ""."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRY_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if done.returncode == 0 else (said[-1] if said else f"exit code {done.returncode}")


def trouble(setting: Setting) -> str:
    """What the operator is to know before anything runs: "" or why it runs without. Errors: SandboxError."""
    found = rung()
    if setting == "off" or found.name == "full":
        return ""
    if setting == "require" and found.name == "none":
        raise SandboxError(
            f'guard.sandbox is "require", but {found.why}; mend: {found.how_to_get_higher}; '
            "or run without: overnight edit guard.sandbox auto"
        )
    without = "training and agents run without a sandbox" if found.name == "none" else "the sandbox is not the highest"
    return f"{without}: {found.why}; mend: {found.how_to_get_higher}"


def wrap(
    argv: Sequence[str],
    kind: Kind,
    session: Path,
    *,
    setting: Setting = "auto",
    device: str = "",
    writable: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    pinned: Sequence[str] = (),
    strict: bool = False,
    cwd: Path | None = None,
) -> list[str]:
    """`argv` inside the sandbox, to be started in `cwd` (default: the session); as it is where there is none to be had.

    `train`: no network, the session writable but for .git, .overnight, its own settings and `pinned` files; with
    `strict` only run.log. `device`: the GPU's UUID, "" = no GPU. `agent`: network, the session read-only. `writable`
    exist and may be changed; `readable` are shown although they lie where secrets or temporary files are hidden.
    """
    found = rung() if setting != "off" else Rung("none")
    if found.name == "none":
        return list(argv)
    places = Places(session.resolve(), [p.resolve() for p in writable], [p.resolve() for p in readable])
    options = [*_FIXED, "--ro-bind", "/", "/", "--dev", "/dev"]
    if found.name == "full":
        options += _OWN_PROCESSES
    options += places.hidden()
    if kind == "train":
        options += ["--unshare-net", *places.devices(device), *places.of_training(pinned, strict), *places.caches()]
    else:
        options += places.of_agent()
    options += [*places.given(), "--chdir", str((cwd or session).resolve())]
    return [shutil.which("bwrap") or "bwrap", *options, "--", *argv]


def is_template(session: Path, command: str) -> bool:
    """Whether the session's benchmark is the one that is shipped, which writes run.log and nothing else."""
    from engine.session.assets import assets_dir

    try:
        same = (session / "autoresearch.sh").read_bytes() == (assets_dir() / "autoresearch.sh").read_bytes()
    except OSError:
        return False
    return same and command == "bash autoresearch.sh" and os.access(session / "prepare.py", os.R_OK)
