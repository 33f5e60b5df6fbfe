"""The inbox: a command is a file written to a temporary name and renamed; the engine claims it by a rename."""

import os
import stat
import time
from pathlib import Path

import msgspec

JOBS = ("rerun", "profile", "find-lr", "sample", "verify")
"""Work that is queued to the engine, which does it between two experiments."""
KINDS = (
    "pause",
    "resume",
    "stop",
    "abort",
    "say",
    "unsay",
    "revert",
    "keep",
    "undo",
    "edit",
    "note",
    "adopt",
    "try",
    *JOBS,
)
NEED_ENGINE = ("abort", "stop")
LARGEST = 1 << 20
"""Bytes of a command's file."""


class Seen(msgspec.Struct, omit_defaults=True):
    """What the author of a command saw when sending it; a command whose ground has moved is refused."""

    run: int | None = None
    start_id: str = ""
    champion: int | None = None
    job: str = ""
    """The command whose queued work was seen."""


class Request(msgspec.Struct):
    """A command as it lies in the inbox. `args`: text, run, key, value, reason … by kind."""

    id: str
    kind: str
    args: dict[str, str]
    by: str
    at: float
    seen: Seen = msgspec.field(default_factory=Seen)


class BadCommand(Exception):
    """A file in the inbox that is no command."""


def request(kind: str, args: dict[str, str], by: str, seen: Seen | None = None) -> Request:
    """A new command with an id of its own that sorts by time."""
    now = time.time()
    import secrets  # with all that it loads, only for who sends something

    # An argument of the command line may hold bytes that are no text; they cannot be written as JSON.
    whole = {name: text.encode("utf-8", "replace").decode() for name, text in args.items()}
    return Request(
        f"{time.time_ns():020d}-{secrets.token_hex(3)}",
        kind,
        whole,
        by.encode("utf-8", "replace").decode(),
        now,
        seen or Seen(),
    )


def send(inbox: Path, command: Request) -> Path:
    """Put `command` into the inbox. Errors: OSError."""
    inbox.mkdir(parents=True, exist_ok=True)
    temporary = inbox / f".{command.id}.tmp"
    final = inbox / f"{command.id}.json"
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(command))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(final)
    return final


def withdraw(inbox: Path, id: str) -> bool:
    """Take a command back that nobody has claimed; False where it is not there, or claimed."""
    try:
        (inbox / f"{id}.json").unlink()
    except OSError:
        return False
    return True


def waiting(inbox: Path) -> list[Path]:
    """Commands nobody has claimed, the oldest first; claims that a crash left come before them."""
    try:
        names = [entry.name for entry in os.scandir(inbox)]
    except FileNotFoundError:
        return []
    return [inbox / name for name in sorted(names) if name.endswith((".json", ".claimed")) and name[0] != "."]


def claim(path: Path) -> tuple[Path, Request]:
    """Take one: renamed to .claimed, which `done` removes once the journal has it. Errors: BadCommand, OSError."""
    taken = path.with_suffix(".claimed")
    if taken != path:
        path.rename(taken)
    try:
        return taken, msgspec.json.decode(_read(taken), type=Request)
    except FileNotFoundError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        broken = path.with_suffix(".broken")
        taken.rename(broken)
        raise BadCommand(f"{broken}: not a command ({error}); it was set aside") from error


def _read(path: Path) -> bytes:
    """A command's bytes. Errors: OSError, also for what is no file of a command's size."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):  # to open a named pipe would wait for ever
        raise OSError("it is not a file")
    if found.st_size > LARGEST:
        raise OSError(f"it has {found.st_size:,} bytes, at most {LARGEST:,} are read")
    return path.read_bytes()


def done(taken: Path) -> None:
    """The journal has it: the file goes."""
    taken.unlink(missing_ok=True)
