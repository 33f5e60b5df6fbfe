"""The largest configuration of a tier that a GPU holds: the order in which it is looked for, and one look. Depth goes
down first, then the batch, then the sequence; it is a real step of the session's own train.py that shows what fits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import msgspec

from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.values import read, write
from engine.session.cookie import COOKIE
from engine.work import leash, sweep
from engine.work.benchmark import Confine
from engine.work.constants import read_constants, set_constants
from engine.work.diagnosis import diagnose

ASKED_BY = "OVERNIGHT_FIT"
"""Set to 1, train.py does two optimizer steps and one evaluation batch of random tokens at DEVICE_BATCH_SIZE. It then
prints `fit: ok peak_vram_mb: N` and exits with 0, or says that memory ran out and exits with 3."""
NO_ROOM = 3
LEAST_SEQUENCE = 128
LIMIT_S = 600.0
"""Of one look, compiling included."""
_OK = re.compile(r"^fit: ok peak_vram_mb: ([0-9.]+)\s*$", re.MULTILINE)


class FitError(Exception):
    """It could not be tried; the message says why."""


class Configuration(msgspec.Struct, frozen=True):
    """What decides the memory: DEPTH, DEVICE_BATCH_SIZE (rows) and MAX_SEQ_LEN (tokens)."""

    depth: int
    batch: int
    sequence: int

    def __str__(self) -> str:
        return f"depth {self.depth}, batch {self.batch}, sequence {self.sequence}"


class Look(msgspec.Struct, frozen=True):
    """One configuration tried. `peak_mb` as train.py printed it, None where it did not fit; `why` not, in words."""

    fits: bool
    peak_mb: float | None = None
    why: str = ""


def order(largest: Configuration, total: int) -> list[Configuration]:
    """All configurations in the order of the search, each one smaller than the one before; the largest is the first.

    `total`: TOTAL_BATCH_SIZE in tokens, of which batch · sequence stays a divisor. Depth goes down by twos to half of
    the tier's, so that the layers' pattern keeps its phase, and the width, which is depth times a constant, stays whole
    heads; then the batch goes down to one row and the sequence to 128 tokens, about by halves.
    """
    found = [largest]
    depths = range(largest.depth - 2, max(2, largest.depth // 2) - 1, -2)
    found += [msgspec.structs.replace(largest, depth=depth) for depth in depths]
    last = found[-1]
    rows = total // last.sequence
    while smaller := max((n for n in range(1, last.batch // 2 + 1) if rows % n == 0), default=0):
        found.append(last := msgspec.structs.replace(last, batch=smaller))
    while last.sequence % 2 == 0 and last.sequence // 2 >= LEAST_SEQUENCE:
        found.append(last := msgspec.structs.replace(last, sequence=last.sequence // 2))
    return found


def search(candidates: list[Configuration]) -> Generator[Configuration, bool, Configuration | None]:
    """Yield what to try, and be sent whether it fits; returns the largest that does, None if none.

    Where the largest does not fit, the rest is bisected: a smaller configuration never needs more memory.
    """
    if (yield candidates[0]):
        return candidates[0]
    low, high = 1, len(candidates)  # the answer lies in [low, high]; high = none
    while low < high:
        middle = (low + high) // 2
        if (yield candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low] if low < len(candidates) else None


def can_be_fitted(root: Path) -> bool:
    """Whether the session's train.py is one that can be asked, with the constants that the search changes."""
    try:
        start_of(root)
        return ASKED_BY in "".join((root / name).read_text(encoding="utf-8") for name in _sources(root))
    except (FitError, OSError, ValueError):
        return False


def start_of(root: Path) -> tuple[Configuration, int]:
    """The configuration in the session's files, and TOTAL_BATCH_SIZE. Errors: FitError."""
    try:
        found = {
            **read_constants((root / "prepare.py").read_text(encoding="utf-8")),
            **read_constants((root / "train.py").read_text(encoding="utf-8")),
        }
        names = ("DEPTH", "DEVICE_BATCH_SIZE", "MAX_SEQ_LEN", "TOTAL_BATCH_SIZE")
        depth, batch, sequence, total = (_whole(found[name]) for name in names)
    except (OSError, SyntaxError, ValueError, KeyError) as error:
        raise FitError(
            f"train.py and prepare.py in {root} do not have the constants of the template: {error}"
        ) from error
    if total % (batch * sequence):
        raise FitError(
            f"TOTAL_BATCH_SIZE = {total} is no multiple of DEVICE_BATCH_SIZE * MAX_SEQ_LEN = {batch * sequence}"
        )
    return Configuration(depth, batch, sequence), total


def _whole(source: str) -> int:
    """A positive whole number from its source, arithmetic of literals included (`2**15`). Errors: ValueError."""
    try:
        value = read(source)
    except ArithmeticRefused as error:
        raise ValueError(str(error)) from error
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{source} is not a whole number of at least 1")
    return value


def changes(root: Path, wanted: Configuration) -> dict[str, dict[str, tuple[str, str]]]:
    """By file, each constant that this configuration changes: (old, new) source texts. Errors: FitError."""
    values = {
        "train.py": {"DEPTH": wanted.depth, "DEVICE_BATCH_SIZE": wanted.batch},
        "prepare.py": {"MAX_SEQ_LEN": wanted.sequence},
    }
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for name, constants in values.items():
        try:
            now = read_constants((root / name).read_text(encoding="utf-8"))
            changed = {
                key: (now[key], write(value, now[key])) for key, value in constants.items() if _whole(now[key]) != value
            }
        except (OSError, SyntaxError, ValueError, KeyError) as error:
            raise FitError(f"{root / name}: {error}") from error
        if changed:
            found[name] = changed
    return found


def texts(root: Path, wanted: Configuration) -> dict[str, str]:
    """The new text of each file that changes for this configuration. Errors: FitError."""
    found: dict[str, str] = {}
    for name, changed in changes(root, wanted).items():
        try:
            text = (root / name).read_bytes().decode("utf-8")
            found[name] = set_constants(text, {key: new for key, (_, new) in changed.items()})
        except (OSError, ValueError) as error:  # ConstantError is one
            raise FitError(f"{root / name}: {error}") from error
    return found


def look(
    root: Path,
    folder: Path,
    wanted: Configuration,
    *,
    environment: Mapping[str, str],
    confine: Confine,
    hold: Callable[[leash.Leashed | None], None],
    limit_s: float = LIMIT_S,
) -> Look:
    """Try one configuration in a copy of the session's sources, in `folder`, under the leash.

    `hold` is given the child, so that somebody else can end it, and None after its end. Errors: FitError, also when it
    was ended from outside.
    """
    _copy(root, folder, texts(root, wanted))
    log = folder / "fit.log"
    python = environment.get("OVERNIGHT_PYTHON", "python3")
    try:
        child = leash.start(
            confine([python, "train.py"]),
            cwd=folder,
            env={**environment, ASKED_BY: "1"},
            limit_s=limit_s,
            stdout=log,
            cookie=environment.get(COOKIE, ""),
        )
    except leash.LeashError as error:
        raise FitError(str(error)) from error
    hold(child)
    try:
        ending = child.ended()
    finally:
        hold(None)
    if child.cookie:
        sweep.sweep(child.cookie)
    said = log.read_text(encoding="utf-8", errors="replace")
    return judge(ending, said, limit_s)


def judge(ending: leash.Ending, said: str, limit_s: float = LIMIT_S) -> Look:
    """What a look's end means. Errors: FitError."""
    fitted = _OK.search(said)
    if ending.clean and fitted:
        return Look(True, float(fitted[1]))
    if ending.clean:
        raise FitError(f"train.py ended well and did not print `fit: ok peak_vram_mb: N`, as {ASKED_BY}=1 asks for")
    found = diagnose(ending, said, limit_s)
    if ending.exit_code == NO_ROOM or found.cause == "oom":
        return Look(False, None, found.detail)
    raise FitError(found.detail)


def _sources(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("*.py") if path.is_file() and not path.is_symlink())


def _copy(root: Path, folder: Path, changed: Mapping[str, str]) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        for name in _sources(root):
            if name in changed:
                (folder / name).write_bytes(changed[name].encode("utf-8"))
            else:
                shutil.copyfile(root / name, folder / name)
    except OSError as error:
        raise FitError(f"{folder} cannot be written: {error.strerror}") from error
