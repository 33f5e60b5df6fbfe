"""What others read, made from the state: public log, living document, growth log. Completed whenever it is behind."""

import msgspec

from engine.loop.record import Record
from engine.loop.tree import Tree
from engine.session import document, growing, growthlog, growthread, publiclog
from engine.session.settings import SettingsError, load
from engine.session.state import Experiment, State

SHORT = 7
"""Digits of a commit in the public log."""


class Projection:
    """Writes what is missing; asking twice changes nothing. Errors: OSError, PublicLogError."""

    def __init__(self, record: Record, tree: Tree) -> None:
        self.record, self.tree = record, tree
        self.paths = record.paths
        self._written: int | None = None
        self._length = 0
        self._documented = -1
        self._grown = -1

    def complete(self) -> None:
        """Append the public log's missing lines, and bring autoresearch.md up to date."""
        state = self.record.state
        if self._written is None or self._size() < self._length:
            self._written = self._count()  # somebody removed or cut it: what is missing is written again
        missing = state.public[self._written :]
        if missing:
            publiclog.append(self.paths.public_log, [line(state, kind, index) for kind, index in missing])
            self._written = len(state.public)
        self._length = self._size()
        if self._documented != state.events and state.current is None and state.segments:
            self._document(state)
            self._documented = state.events
        if state.rounds and self._grown != state.events:
            self._growth(state)
            self._grown = state.events

    def _growth(self, state: State) -> None:
        try:
            earlier = growthread.load(self.paths.growth_earlier) if state.earlier_rounds else None
        except growthread.GrowthLogError:  # somebody removed it; our own rounds are all in the journal
            earlier = None
        path = self.paths.growth_log
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(growthlog.render(growing.of_state(state), earlier), encoding="utf-8")
        temporary.rename(path)

    def _count(self) -> int:
        """Whole lines that are there already; the journal has at least as many, for it is written first."""
        return len(self._whole_lines())

    def _whole_lines(self) -> list[bytes]:
        try:
            data = self.paths.public_log.read_bytes()
        except FileNotFoundError:
            return []
        return [raw for raw in data[: data.rfind(b"\n") + 1].split(b"\n") if raw.strip()]

    def _size(self) -> int:
        try:
            return self.paths.public_log.stat().st_size
        except FileNotFoundError:
            return 0

    def foreign(self) -> int:
        """The number of the public log's first whole line that the journal does not know; 0 when it knows all."""
        public = self.record.state.public
        for number, raw in enumerate(self._whole_lines(), 1):
            try:
                found = msgspec.json.decode(raw)
                kind = found.get("type", "result")
                run = found.get("run")
            except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
                return number
            if number > len(public):
                return number
            wanted, index = public[number - 1]
            if kind != wanted or (wanted == "result" and run != index):
                return number
        return 0

    def _document(self, state: State) -> None:
        try:
            settings = load(self.paths.settings)
        except SettingsError:
            return
        path = self.paths.document
        try:
            old = path.read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            old = ""
        new = document.updated(old, state, settings, self.paths.name)
        if new != old:
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_text(new, encoding="utf-8", errors="surrogateescape")
            temporary.rename(path)


def line(state: State, kind: str, index: int) -> publiclog.ConfigLine | publiclog.ResultLine | publiclog.OverrideLine:
    """One line of the public log (see State.public)."""
    if kind == "config":
        segment = state.segments[index]
        metric = segment.metric
        return publiclog.ConfigLine(segment.name, metric.name, metric.unit, metric.direction)
    if kind == "override":
        override = state.overrides[index]
        return publiclog.OverrideLine(
            override.run, override.status, override.by, override.reason, override.commit[:SHORT]
        )
    return _result(state.experiments[index - 1])


def _result(experiment: Experiment) -> publiclog.ResultLine:
    crashed = experiment.logged == "crash" or experiment.metric is None
    trials = tuple(
        {"of": t.of, "seed": t.seed, "outcome": t.outcome, "metric": t.metric, "duration_s": round(t.duration_s, 3)}
        for t in experiment.trials
    )
    return publiclog.ResultLine(
        run=experiment.run,
        commit=experiment.commit[:SHORT],
        metric=0 if crashed or experiment.metric is None else experiment.metric,
        metrics=dict(experiment.metrics),
        status=experiment.logged,
        description=experiment.description,
        timestamp=int(experiment.ended_at),
        segment=experiment.segment,
        confidence=experiment.confidence,
        asi={**experiment.asi, **({"error": experiment.reason} if experiment.logged == "crash" else {})},
        duration_s=round(experiment.duration_s, 3),
        trials=trials if len(trials) > 1 else (),
        flags=experiment.flags,
        group=experiment.group,
        usage=experiment.usage,
    )
