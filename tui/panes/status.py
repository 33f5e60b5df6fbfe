"""The strip at the top: session, what it is doing, the best result and its worth, rate, time, cost of the line."""

from __future__ import annotations

from time import localtime, strftime

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from engine.session.spending import dollars
from engine.session.standing import counts
from engine.session.state import State
from tui import model
from tui.fitting import clock_text, count_text, duration_text, rate_text, shorten, shorten_middle, signed, width_of
from tui.model import View
from tui.palette import palette
from tui.runs import Line, line_width, strip_of

ROWS = 3
_ROOMY = 100  # cells from which the third line has room for more words
_TONES = {"good": "good", "running": "running", "warn": "warn strong", "bad": "bad strong", "dim": "dim"}


def lines(view: View, width: int) -> list[Line]:
    """The strip's three lines, `width` cells at most."""
    return [_first(view, width), _second(view, width), _third(view, width)]


def _first(view: View, width: int) -> Line:
    tags = " READ-ONLY" if view.read_only else ""
    tags += " SLOW" if view.slow else ""
    state = view.state
    run = f"run {len(state.experiments)}" if state.experiments else "no runs"
    segment = f" · segment {state.segment.number}" if state.segment and state.segment.number else ""
    room = width - width_of(view.name) - width_of(run + segment + tags) - 8
    branch = shorten_middle(view.branch, max(0, min(48, room)))
    line: Line = [
        (view.name or "overnight", "title"),
        ("  ", ""),
        (branch, "dim"),
        ("  ", ""),
        (run + segment, "strong"),
    ]
    if tags:
        line.append((tags, "warn strong"))
    found = counts(state)
    if found:
        kept: Line = [(" · ", "dim"), (f"{found.get('keep', 0)} kept", ""), (f" of {sum(found.values())}", "dim")]
        if line_width(line) + line_width(kept) <= width:
            line += kept
    return line


def _second(view: View, width: int) -> Line:
    doing = model.activity(view)
    tone = _TONES[doing.tone]
    words = doing.words
    if doing.since and doing.tone in ("bad", "dim") and view.now:
        words += f", {clock_time(doing.since)}"
    if doing.share is None:
        then = f" · {doing.then}" if doing.then else ""
        room = max(8, width - 2 - width_of(then))
        return [(f"{doing.glyph} ", tone), (shorten(words, room), tone), (then, "warn strong")]
    from tui.braille import bar  # not before there is one to draw: the first paint waits for every module

    left = f" {clock_text(doing.left_s)} left" if doing.left_s is not None and doing.share < 1 else ""
    length = max(6, min(30, width - width_of(words) - width_of(left) - 4))
    return [
        (f"{doing.glyph} ", tone),
        (shorten(words, width - 14), tone),
        (" ", ""),
        (bar(doing.share, length), "curve"),
        (left, ""),
    ]


def _third(view: View, width: int) -> Line:
    state = view.state
    parts: list[Line] = []
    top = model.best(state)
    if top is not None:
        name = state.segment.metric.name if state.segment else "metric"
        line: Line = [(f"{name} ", "dim"), (f"{top.metric:.6f}", "strong")]
        if top.gain:
            line.append((f" gain {signed(top.gain)}", "good" if top.gain > 0 else "bad"))
            if top.share is not None and width >= _ROOMY:
                line.append((f" ({abs(top.share) * 100:.2f}% {'better' if top.share > 0 else 'worse'})", "dim"))
        else:
            line.append((" baseline", "dim"))
        parts.append(line)
    figure, meaning = model.confidence(state)
    if figure is not None:
        name = "confidence " if width >= _ROOMY else "conf. "
        parts.append([(name, "dim"), (f"{figure:.1f} ", "strong"), (meaning, "")])
    rate = model.rate(state)
    if rate is not None:
        parts.append([(f"{rate:.1f}/h", "")])
    spent = model.running_s(view)
    if spent is not None:
        parts.append([("up " if view.running else "ran ", "dim"), (_up_text(spent), "")])
    parts += _spent(state)
    parts.append([("line " if width >= _ROOMY else "", "dim"), (rate_text(view.wire), "")])
    return _joined(parts, width)


def _spent(state: State) -> list[Line]:
    """What thinking used so far, and for each kept improvement."""
    if not state.cost and not state.tokens:
        return []
    keeps = sum(max(0, len(segment.line) - 1) for segment in state.segments)  # the first of a line is its baseline
    total = dollars(state.cost) if state.cost else f"{count_text(state.tokens)} tokens"
    each = "" if not keeps else dollars(state.cost / keeps) if state.cost else count_text(state.tokens / keeps)
    return [[(total, "")], [(f"{each} a keep", "dim")]] if each else [[(total, "")]]


def _up_text(seconds: float) -> str:
    """Whole minutes from one on, and no seconds: a clock that ticks would cost the line every second."""
    return f"{seconds // 60:.0f} min" if 60 <= seconds < 3600 else duration_text(int(seconds))


def _joined(parts: list[Line], width: int) -> Line:
    """As many parts as fit, the most telling first; the others are in the notes and charts."""
    out: Line = []
    for part in parts:
        extra = (3 if out else 0) + line_width(part)
        if line_width(out) + extra > width:
            continue
        if out:
            out.append((" · ", "dim"))
        out.extend(part)
    return out


def clock_time(at: float) -> str:
    """A moment for people: `since Tue 03:12`, in the machine's own time."""
    return strftime("since %a %H:%M", localtime(at))


class StatusStrip(Widget):
    """Paints the strip, a line only when it changed."""

    DEFAULT_CSS = f"StatusStrip {{ height: {ROWS}; }}"

    def __init__(self) -> None:
        super().__init__(id="status")
        self._lines: list[Line] = [[("overnight", "title")], [], []]
        self._view: View | None = None
        self._laid_width = 0

    @property
    def texts(self) -> list[str]:
        """What it says, line by line."""
        return ["".join(text for text, _ in line) for line in self._lines]

    def show(self, view: View) -> None:
        """Paint what changed."""
        self._view = view
        if not self.size.width:
            return
        self._laid_width = self.size.width
        new = lines(view, self._room())
        for y, (before, after) in enumerate(zip(self._lines, new, strict=True)):
            if before != after:
                start, end = _differing(before, after)
                self._lines[y] = after
                self.refresh(Region(1 + start, y, max(1, min(end, self._room()) - start), 1))

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        if self._view is not None:
            self._lay()
            self.refresh()

    def _lay(self) -> None:
        if self._view is not None:
            self._laid_width = self.size.width
            self._lines = lines(self._view, self._room())

    def _room(self) -> int:
        return max(1, self.size.width - 2)

    def render_line(self, y: int) -> Strip:
        """One line, with a blank on either side."""
        if self._view is not None and self._laid_width != self.size.width:
            self._lay()
        body = strip_of(
            self._lines[y] if y < len(self._lines) else [], self._room(), self.rich_style, palette(self.app)
        )
        pad = Strip([Segment(" ", self.rich_style)], 1)
        return Strip.join([pad, body, pad])


def _differing(before: Line, after: Line) -> tuple[int, int]:
    """The cells from the first to the last difference: what has to go over the line."""
    same = 0
    for one, two in zip(before, after, strict=False):
        if one != two:
            break
        same += width_of(one[0])
    return same, max(line_width(before), line_width(after))
