"""A session's experiments in little memory: the newest as they are, older ones packed in blocks until looked at.

A night of ten thousand experiments takes a few megabytes so, and a saved fold of it is read in milliseconds. What every
figure and chart needs of all experiments (status, metric) lies beside the blocks in columns.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, MutableSequence
from typing import NamedTuple, overload

import msgspec

from engine.session.state import Experiment

BLOCK = 64
"""Experiments in a block."""

_LOOSE = 128  # experiments at the end that are never packed: what is on the screen, and what still changes
_CACHED = 4  # blocks unpacked at a time
_MEASURED, _VALID, _BASELINE = 1, 2, 4

_IS_VALID = [bool(trait & _VALID) for trait in range(8)]
_IS_BASELINE = [bool(trait & _BASELINE) for trait in range(8)]

_decoder = msgspec.msgpack.Decoder(list[Experiment])


class Marks(NamedTuple):
    """Columns over experiments that follow each other, the first being run `first`.

    `valid`: decided, with a metric that counts in statistics.
    """

    first: int
    statuses: list[str]
    metrics: list[float | None]
    valid: list[bool]
    baseline: list[bool]

    @classmethod
    def none(cls) -> Marks:
        """Of no experiments."""
        return cls(1, [], [], [], [])


class Frozen(msgspec.Struct, array_like=True):
    """What is saved of a `Packed`: blocks and their columns (see `Packed`), and the experiments that are loose."""

    blocks: list[bytes] = []
    names: list[str] = []
    statuses: bytes = b""
    traits: bytes = b""
    metrics: bytes = b""
    loose: list[Experiment] = []


class Packed(MutableSequence[Experiment]):
    """A sequence of experiments that packs the older ones that have ended.

    What it hands out is to be looked at and let go; to change an experiment take it from `own`, which remembers it.
    """

    def __init__(self, frozen: Frozen | None = None) -> None:
        self._thaw(frozen or Frozen())

    def _thaw(self, found: Frozen) -> None:
        self._blocks = found.blocks
        self._names = found.names
        self._statuses, self._traits = bytearray(found.statuses), bytearray(found.traits)
        self._metrics = array("d", found.metrics)
        # How many are packed and the others, in one attribute: another thread may be reading while one is packed.
        self._parts: tuple[int, list[Experiment]] = (len(found.blocks) * BLOCK, found.loose)
        self._owned: dict[int, Experiment] = {}
        self._cache: dict[int, list[Experiment]] = {}
        self.figures: dict[str, tuple[object, object]] = {}
        """Kept for who makes a figure of all experiments: its name → after what, and the figure."""

    def freeze(self) -> Frozen:
        """What can be saved; experiments that were changed go back into their blocks."""
        for block in {index // BLOCK for index in self._owned}:
            changed = self._block(block)
            self._blocks[block] = _pack(changed)
            self._cache.pop(block, None)
            for place, experiment in enumerate(changed, block * BLOCK):
                if self._owned.pop(place, None) is not None:
                    self._note(place, experiment)
        statuses, traits = bytes(self._statuses), bytes(self._traits)
        return Frozen(self._blocks, self._names, statuses, traits, self._metrics.tobytes(), self._parts[1])

    def own(self, index: int) -> Experiment:
        """Experiment `index` (from 0), to be changed. Errors: IndexError."""
        packed, _ = self._parts
        if index >= packed:
            return self[index]
        if index not in self._owned:
            self._owned[index] = self[index]
            self._cache.pop(index // BLOCK, None)
        return self._owned[index]

    def marks(self, first: int, end: int) -> Marks:
        """The columns of experiments `first` to `end` (from 0, `end` not included)."""
        packed, loose = self._parts
        part = slice(first, max(first, min(end, packed)))
        names, traits = self._names, self._traits[part]
        statuses = list(map(names.__getitem__, self._statuses[part]))
        metrics: list[float | None] = list(self._metrics[part])
        valid, baseline = list(map(_IS_VALID.__getitem__, traits)), list(map(_IS_BASELINE.__getitem__, traits))
        for place in [place for place, trait in enumerate(traits) if not trait & _MEASURED]:
            metrics[place] = None
        others = {index: one for index, one in self._owned.items() if first <= index < end}
        for index, one in others.items():
            at = index - first
            statuses[at], metrics[at], valid[at], baseline[at] = _mark(one)
        rest = marks_of(loose, max(0, first - packed), max(0, end - packed))
        return Marks(
            first + 1,
            statuses + rest.statuses,
            metrics + rest.metrics,
            valid + rest.valid,
            baseline + rest.baseline,
        )

    # Packing

    def _block(self, block: int) -> list[Experiment]:
        """Its experiments, as they are now."""
        found = self._cache.get(block)
        if found is None:
            found = _decoder.decode(zlib.decompress(self._blocks[block]))
            if self._owned:
                start = block * BLOCK
                found = [self._owned.get(start + place, one) for place, one in enumerate(found)]
            while len(self._cache) >= _CACHED:
                self._cache.pop(next(iter(self._cache)), None)
            self._cache[block] = found
        return found

    def _pack_oldest(self) -> None:
        packed, loose = self._parts
        oldest = loose[:BLOCK]
        if any(experiment.phase != "ended" for experiment in oldest):
            return
        self._blocks.append(_pack(oldest))
        for place, experiment in enumerate(oldest, packed):
            self._note(place, experiment)
        self._parts = (packed + BLOCK, loose[BLOCK:])

    def _note(self, index: int, experiment: Experiment) -> None:
        """Put it down in the columns."""
        status, metric, valid, baseline = _mark(experiment)
        if status not in self._names:
            self._names.append(status)
        code = self._names.index(status)
        trait = (_MEASURED if metric is not None else 0) | (_VALID if valid else 0) | (_BASELINE if baseline else 0)
        if index == len(self._statuses):
            self._statuses.append(code)
            self._traits.append(trait)
            self._metrics.append(metric or 0.0)
        else:
            self._statuses[index], self._traits[index], self._metrics[index] = code, trait, metric or 0.0

    # A sequence

    def __len__(self) -> int:
        packed, loose = self._parts
        return packed + len(loose)

    def __iter__(self) -> Iterator[Experiment]:
        index = 0
        while index < len(self):
            yield self[index]
            index += 1

    @overload
    def __getitem__(self, index: int) -> Experiment: ...

    @overload
    def __getitem__(self, index: slice) -> list[Experiment]: ...

    def __getitem__(self, index: int | slice) -> Experiment | list[Experiment]:
        packed, loose = self._parts
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(packed + len(loose)))]
        place = index + packed + len(loose) if index < 0 else index
        if place >= packed:
            return loose[place - packed]
        if place < 0:
            raise IndexError(f"there is no experiment {index}")
        return self._owned.get(place) or self._block(place // BLOCK)[place % BLOCK]

    def append(self, value: Experiment) -> None:
        """Add the next one; it may pack older ones."""
        _, loose = self._parts
        loose.append(value)
        if len(loose) >= _LOOSE + BLOCK:
            self._pack_oldest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packed | list):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    # What else a list can do, at the price of unpacking all

    def insert(self, index: int, value: Experiment) -> None:
        """Put `value` before `index`."""
        whole = list(self)
        whole.insert(index, value)
        self._thaw(Frozen(loose=whole))

    @overload
    def __setitem__(self, index: int, value: Experiment) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[Experiment]) -> None: ...

    def __setitem__(self, index: int | slice, value: Experiment | Iterable[Experiment]) -> None:
        whole = list(self)
        whole[index] = value  # type: ignore[index,assignment]
        self._thaw(Frozen(loose=whole))

    def __delitem__(self, index: int | slice) -> None:
        whole = list(self)
        del whole[index]
        self._thaw(Frozen(loose=whole))


def marks_of(experiments: MutableSequence[Experiment], first: int, end: int) -> Marks:
    """The columns of experiments `first` to `end` (from 0, `end` not included), packed or not."""
    if isinstance(experiments, Packed):
        return experiments.marks(first, end)
    found = [_mark(experiment) for experiment in experiments[first:end]]
    columns = ([mark[place] for mark in found] for place in range(4))
    return Marks(first + 1, *columns)  # type: ignore[arg-type]


def _mark(experiment: Experiment) -> tuple[str, float | None, bool, bool]:
    metric = experiment.metric
    valid = bool(experiment.status) and experiment.valid and metric is not None
    return experiment.status, metric, valid, experiment.is_baseline


def _pack(experiments: list[Experiment]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(experiments), 1)
