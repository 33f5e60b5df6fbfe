"""An agent's output, line by line: what it says, which tools it uses, what it costs, and why it fails."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from engine.researchers.agent.preset import Preset, Reading

_DETAIL = 300  # characters of a tool's input that are shown
_WORDS = 20  # plain lines that count as last words
_LONGEST = 64 * 1024  # characters of one thing said that are remembered: its end
_TROUBLES = 20  # of each kind that are remembered: the last
_FIRST = ("command", "cmd", "file_path", "filePath", "path", "pattern", "query")
_UNITS = {"k": 1e3, "M": 1e6}


class Listener:
    """Hears one run of an agent. `words` are its last words, `failures` and `notes` what went wrong in its own telling.

    `usage` as in Proposal; `wait_s` is how long the other side asked to wait, 0 = it did not say.
    """

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._matches = [re.compile(pattern) for pattern in preset.matches]
        self.words = ""
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.session = ""
        self.wait_s = 0.0
        self.usage: dict[str, float] = {}
        self._piece = ""
        self._plain: list[str] = []

    def hear(self, line: str) -> list[str]:
        """Take in one line; what is to be shown of it."""
        event: Any = None
        if self._preset.read and line.lstrip().startswith("{"):
            with contextlib.suppress(msgspec.DecodeError, RecursionError):
                event = msgspec.json.decode(line)
        if not isinstance(event, dict):
            return [*self.rest(), *self._plainly(line)]
        found = [
            (reading, item)
            for reading in self._preset.read
            if all(_at(event, path) == value for path, value in reading.when.items())
            for item in _items(event, reading)
        ]
        shown: list[str] = []
        if not any(reading.delta for reading, _ in found):
            shown += self.rest()
        for reading, item in found:
            shown += self._read(reading, item)
        return shown

    def rest(self) -> list[str]:
        """What was said and not ended by a line's end."""
        piece, self._piece = self._piece, ""
        if piece:
            self.words = piece
        return [line for line in piece.splitlines() if line.strip()]

    def _read(self, reading: Reading, item: dict[str, Any]) -> list[str]:
        shown: list[str] = []
        if reading.say:
            text = _text(_at(item, reading.say))
            if reading.delta:
                self._piece += text
            elif text.strip():
                self.words = text
                shown += [line for line in text.splitlines() if line.strip()]
        if reading.tool:
            detail = _detail(_at(item, reading.detail)) if reading.detail else ""
            shown.append(f"→ {_text(_at(item, reading.tool))} {detail}".rstrip())
        if shown:
            self.notes += self.failures  # it goes on, so it got over them
            self.failures = []
        if reading.note and (text := _joined(item, reading.note)):
            self.notes.append(text)
            shown.append(f"! {text}")
        if reading.failed:
            text = _joined(item, reading.failed) or "it failed without saying why"
            self.failures.append(text)
            shown.append(f"✗ {text}")
        if reading.session:
            self.session = _text(_at(item, reading.session)) or self.session
        if reading.wait_ms:
            self.wait_s = max(self.wait_s, _number(_at(item, reading.wait_ms)) / 1000)
        self.words, self._piece = self.words[-_LONGEST:], self._piece[-_LONGEST:]
        del self.notes[:-_TROUBLES], self.failures[:-_TROUBLES]
        self._count(reading, item)
        return shown

    def _count(self, reading: Reading, item: dict[str, Any]) -> None:
        places = {
            "cost_usd": [reading.cost] if reading.cost else [],
            "input_tokens": reading.input,
            "output_tokens": reading.output,
        }
        for name, paths in places.items():
            if paths:
                before = 0.0 if reading.total else self.usage.get(name, 0.0)
                self.usage[name] = before + sum(_number(_at(item, path)) for path in paths)

    def _plainly(self, line: str) -> list[str]:
        if not line.strip():
            return []
        for pattern in self._matches:
            for name, value in (found.groupdict() if (found := pattern.search(line)) else {}).items():
                if name == "failed":
                    self.failures = [*self.failures[1 - _TROUBLES :], value.strip()[-_LONGEST:]]
                else:
                    key = "cost_usd" if name == "cost" else f"{name}_tokens"
                    self.usage[key] = self.usage.get(key, 0.0) + _counted(value)
        if not self._preset.read:
            self._plain = [*self._plain[1 - _WORDS :], line[-_LONGEST:]]
            self.words = "\n".join(self._plain)[-_LONGEST:]
        return [line]


def _items(event: dict[str, Any], reading: Reading) -> Iterator[dict[str, Any]]:
    listed = _at(event, reading.each) if reading.each else [event]
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and all(_at(item, path) == value for path, value in reading.where.items()):
            yield item


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _joined(item: dict[str, Any], paths: list[str]) -> str:
    return ": ".join(text for path in paths if (text := _text(_at(item, path)).strip()) and text != "[]")


def _detail(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[name] for name in _FIRST if isinstance(value.get(name), str)), value)
    text = " ".join(_text(value).split())
    return text if len(text) <= _DETAIL else text[: _DETAIL - 1] + "…"


def _number(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if good else 0.0


def _counted(text: str) -> float:
    try:
        return float(text.rstrip("kM").replace(",", "")) * _UNITS.get(text[-1:], 1.0)
    except ValueError:
        return 0.0
