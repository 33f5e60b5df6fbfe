"""The swarm: its members, leaderboard, feed, claims, hypotheses, what waits for a re-run, and what we gave and took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from engine.session.inert import inert
from engine.session.paths import SessionPaths
from tui import commander, steering, swarmdata, swarmrows
from tui.commander import Ran
from tui.fitting import shorten_middle
from tui.model import View
from tui.panes.folded import FoldedView, fold_words
from tui.panes.status import clock_time
from tui.runs import Line
from tui.screens.full import FullScreen, Row, keys_line
from tui.steering import Question
from tui.swarmdata import Overview
from tui.swarmrows import SECTIONS, Entry, Section
from tui.table.source import ListSource
from tui.table.virtual import VirtualTable

_READ_S, _SLOW_READ_S = 5.0, 30.0
_REST = 4  # times as long as the last reading took it rests at least
_WIDE, _HIGH = 140, 36  # cells and rows from which on all sections are shown at once
_DETAIL, _LARGE_DETAIL = 5, 7  # rows of what is known of the selected line
_LEFT = ("leaderboard", "members", "queue", "own")  # where all are shown


class Part(Vertical):
    """A section with its heading."""

    def __init__(self, section: Section, number: int) -> None:
        super().__init__(id=f"part-{section.id}", classes="part")
        self.section, self.number = section, number
        self.source: ListSource[Entry] = ListSource(
            section.columns, cells=lambda entry: entry.cells, key=lambda entry: entry.key
        )
        self.heading = Row(classes="part-heading")
        self.table = VirtualTable(self.source, empty_text="reading …", id=f"swarm-{section.id}")
        self._filled = False

    def compose(self) -> ComposeResult:
        """Heading, table."""
        yield self.heading
        yield self.table

    def take(self, overview: Overview, *, known: bool, held: bool = False) -> None:
        """Show its rows; without `known` ones there is nothing to say of them.

        Who stands on the first row stays on the first as new ones come above it, unless the row is `held` to be read.
        """
        entries = self.section.entries(overview)
        self.table.empty_text = self.section.empty if known else "not known"
        if entries != [self.source.record(index) for index in range(len(self.source))] or not entries:
            first = self.table.cursor == 0 and not held
            self.source.replace(entries)
            self.table.reload()
            if entries and (first or not self._filled):  # by habit a table follows its end; here the first rows count
                self._filled = True
                self.table.action_move("start")
        self.heading.say([(f"{self.number} {self.section.title}", "strong")], [(str(len(entries)), "strong")])

    @property
    def selected(self) -> Entry | None:
        """The row under the cursor."""
        return self.source.record(self.table.cursor) if len(self.source) else None


class SwarmScreen(FullScreen[None]):
    """`view()` gives what the console knows; `ask(question, diff)` asks the operator and sends what is confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "turn(1)", "next section", show=False, id="pane.next"),
        Binding("shift+tab", "turn(-1)", "section before", show=False, id="pane.previous"),
        *(Binding(str(number), f"go({number - 1})", show=False) for number in range(1, len(SECTIONS) + 1)),
        Binding("z", "zoom", "one section or all", show=False, id="pane.zoom"),
        Binding("a", "adopt", "adopt the result", show=False),
        Binding("q", "close", "close", show=False),
    ]
    DEFAULT_CSS = """
    SwarmScreen > #swarm-trouble { color: $warning; height: auto; }
    SwarmScreen #swarm-body { height: 1fr; }
    SwarmScreen .column { width: 1fr; height: 1fr; }
    SwarmScreen #swarm-left { width: 2fr; }
    SwarmScreen #swarm-right { width: 3fr; }
    SwarmScreen .part { height: 1fr; padding: 0 1; }
    SwarmScreen .part-heading { background: $panel; color: $foreground; }
    SwarmScreen .part-heading.-front { background: $primary; color: $background; text-style: bold; }
    SwarmScreen .part-heading:ansi { background: ansi_default; color: ansi_default; text-style: underline; }
    SwarmScreen .part-heading.-front:ansi {
        background: ansi_default; color: ansi_default; text-style: reverse bold;
    }
    SwarmScreen #swarm-detail { padding: 0 1; }
    SwarmScreen .hidden { display: none; }
    """
    AUTO_FOCUS = ""

    def __init__(
        self, paths: SessionPaths, view: Callable[[], View], ask: Callable[[Question, str | None], object]
    ) -> None:
        super().__init__()
        self.paths, self.overview = paths, Overview()
        self.front, self.zoomed, self.whole = 0, False, False
        self._view, self._ask = view, ask
        self._problem = ""
        self._known_at = 0.0
        self._read_before = False
        self._busy = ""
        self._timer: Timer | None = None
        self._title = Row(id="swarm-title", classes="full-title")
        self._balance = Row(id="swarm-balance")
        self._trouble = FoldedView(self._trouble_lines, id="swarm-trouble")
        self._tabs = Row(id="swarm-tabs")
        self.parts = [Part(section, number) for number, section in enumerate(SECTIONS, 1)]
        left = [part for part in self.parts if part.section.id in _LEFT]
        self._columns = (
            Vertical(*left, id="swarm-left", classes="column"),
            Vertical(*(part for part in self.parts if part not in left), id="swarm-right", classes="column"),
        )
        self._body = Horizontal(*self._columns, id="swarm-body")
        self._rule = Row(id="swarm-rule")
        self._detail = FoldedView(lambda width: swarmrows.detail(self.part.selected, width), id="swarm-detail")
        self._keys = Row(id="swarm-keys")

    def compose(self) -> ComposeResult:
        """Title, standing, sections, what is known of the selected line, keys."""
        yield self._title
        yield self._balance
        yield self._trouble
        yield self._tabs
        yield self._body
        yield self._rule
        yield self._detail
        yield self._keys

    def on_mount(self) -> None:
        """Begin to read."""
        self._trouble.can_focus = False
        self._arrange()
        self._say()

    def on_screen_resume(self) -> None:
        """It is in sight, at first or again."""
        self.look()

    def on_resize(self) -> None:
        """All sections, or one."""
        self._arrange()
        self._say()

    @property
    def part(self) -> Part:
        """The section in front."""
        return self.parts[self.front]

    @property
    def large(self) -> bool:
        """Whether all sections are on screen."""
        return self.size.width >= _WIDE and self.size.height >= _HIGH and not self.zoomed

    # Reading

    def look(self) -> None:
        """Ask for news, while in sight; again after a while."""
        if self._timer is not None:
            self._timer.stop()
        if not self.is_current:
            return  # what covers it goes away, and then it looks again
        self.run_worker(self._read(), group="swarm", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        began = time.monotonic()
        self._take(await commander.overview(self.paths))
        rest = _REST * (time.monotonic() - began)
        self._timer = self.set_timer(max(_SLOW_READ_S if self._view().slow else _READ_S, rest), self.look)

    def _take(self, ran: Ran) -> None:
        if not self.is_attached:
            return
        try:
            if ran.code:
                raise ValueError(ran.sentence)
            new = swarmdata.overview(ran.document)
        except ValueError as error:
            self._problem = inert(str(error))
        else:
            known = self.overview if self._known_at else None
            self._problem, self.overview = "", swarmdata.since_left(new, known)
            self._known_at = time.time() if new.reachable else self._known_at
        self._read_before = True
        for part in self.parts:
            there = self._known_at > 0 or part.section.id == "own"
            part.take(self.overview, known=there, held=self.whole and part is self.part)
        self._say()

    # What is said

    def _say(self) -> None:
        all = self.overview
        where = shorten_middle(all.where, max(10, self.size.width - 50))
        name: Line = [("swarm", "strong")]
        if all.swarm:
            name += [(f" · {all.swarm}", "strong"), (f" · {where} as {all.name}", "")]
        self._title.say(name, [(self._state_words(), "strong")])
        self._balance.say(swarmrows.balance(all, self.size.width - 2))
        lines = self._trouble_lines(max(20, self.size.width - 1))
        self._trouble.set_class(not lines, "hidden")
        self._trouble.styles.height = len(lines)
        self._trouble.relay()
        self._say_tabs()
        self._say_row()

    def _state_words(self) -> str:
        all = self.overview
        if not self._read_before:
            return "reading …"
        if self._problem or not all.reachable:
            return "alone" if all.swarm else ""
        alive = sum(member.alive for member in all.members)
        return f"{len(all.members)} members, {alive} alive"

    def _trouble_lines(self, width: int) -> list[Line]:
        all = self.overview
        if self._problem:
            return fold_words([(" ! ", "warn"), (self._problem, "warn")], width, 3)
        if all.revoked:
            said = "This session was revoked: the swarm takes nothing more from it. The loop goes on alone."
            return fold_words([(" ! ", "warn"), (said, "warn")], width, 3)
        if all.reachable and not all.alone_since:
            return []
        said = f"Alone {clock_time(all.alone_since)}" if all.alone_since else "The swarm does not answer"
        why = all.why if all.reachable else all.trouble
        said += f": {why}. The loop goes on; {all.waiting} records wait in the outbox and are delivered later."
        if all.reachable:
            said = f"The engine was alone {clock_time(all.alone_since)} ({why}); the swarm answers here."
        elif self._known_at:
            said += f" Shown is what was known {clock_time(self._known_at).removeprefix('since ')}."
        return fold_words([(" ! ", "warn"), (said, "warn")], width, 3)

    def _say_tabs(self) -> None:
        line: Line = []
        counts = self.size.width >= 110
        for number, part in enumerate(self.parts, 1):
            count = f" {len(part.source)}" if counts else ""
            line += [(f"{number} {part.section.short}{count}", "reverse strong" if part is self.part else "")]
            line += [("  ", "")]
        self._tabs.say(line[:-1])

    def _say_row(self) -> None:
        self._detail.relay(from_start=True)
        entry = self.part.selected
        more = "" if self.whole or self._detail.below <= 0 else f"{self._detail.below} below: Enter"
        self._rule.say([("─" * max(0, self.size.width - 4 - len(more)), "dim")], [(more, "dim")])
        keys = [("Tab", "section")]
        if self.whole:
            keys = [("Esc", "back"), ("j k", "scroll")]
        elif entry is not None:
            keys.append(("Enter", "read whole"))
        if entry is not None and entry.result and not entry.own:
            keys.append(("a", "look at its code, adopt"))
        if self.size.width >= _WIDE and self.size.height >= _HIGH and not self.whole:
            keys.append(("z", "all" if self.zoomed else "one"))
        keys += [] if self.whole else [("Esc", "close")]
        self._keys.say(keys_line(*keys), [(self._busy, "accent")])

    # What the keys do

    def _arrange(self) -> None:
        large = self.large and not self.whole
        for part in self.parts:
            part.set_class(not large and part is not self.part, "hidden")
            part.heading.set_class(not large, "hidden")
            part.heading.set_class(part is self.part, "-front")
        for column in self._columns:
            column.set_class(not large and self.part not in column.children, "hidden")
        self._tabs.set_class(large, "hidden")
        self._body.set_class(self.whole, "hidden")
        self._detail.styles.height = "1fr" if self.whole else _LARGE_DETAIL if large else _DETAIL
        self.set_focus(self._detail if self.whole else self.part.table)
        self.call_after_refresh(self._say_row)

    def action_go(self, section: int) -> None:
        """To this section."""
        self.front, self.whole = section, False
        self._arrange()
        self._say_tabs()

    def action_turn(self, step: int) -> None:
        """To the next section."""
        self.action_go((self.front + step) % len(self.parts))

    def action_zoom(self) -> None:
        """One section, or all."""
        self.zoomed = not self.zoomed
        self._arrange()
        self._say_tabs()

    def action_close(self) -> None:
        """Back from the line that is read whole, else away."""
        if self.whole:
            self.whole = False
            self._arrange()
        else:
            self.dismiss(None)

    @on(VirtualTable.RowHighlighted)
    def _moved(self, event: VirtualTable.RowHighlighted) -> None:
        event.stop()
        if event.table is self.part.table:
            self._say_row()

    @on(VirtualTable.RowSelected)
    def _chosen(self, event: VirtualTable.RowSelected) -> None:
        event.stop()
        self.whole = True
        self._arrange()

    def on_descendant_focus(self) -> None:
        """A click went to another section."""
        found = next((number for number, part in enumerate(self.parts) if part.table.has_focus), self.front)
        if found != self.front:
            self.action_go(found)

    def action_adopt(self) -> None:
        """Look at the code behind the selected line, and ask whether to try it."""
        entry, view = self.part.selected, self._view()
        if entry is None or not entry.result:
            self._tell("there is no result behind this line; the leaderboard, the feed and what waits have some")
        elif entry.own:
            self._tell("this is a result of this session's own")
        elif view.read_only:
            self._tell(f"read-only: this console only looks; `overnight attach {view.name}` may adopt")
        elif not self._busy:
            self._busy = f"reading {entry.name}'s code …"
            self._say_row()
            self.run_worker(self._bring(entry.result), group="swarm-adopt", exit_on_error=False)

    async def _bring(self, result: str) -> None:
        ran = await commander.adoption(self.paths, result)
        self._busy = ""
        if not self.is_attached:
            return
        self._say_row()
        diff = ran.document.get("diff")
        if ran.code or not isinstance(diff, str):
            self._tell(ran.sentence)
        elif self.is_current:
            self._ask(steering.adopt(self._view(), result, ran.document), diff)

    def _tell(self, text: str) -> None:
        self.app.notify(inert(text), severity="warning", markup=False)
