"""What each action does: from its id to the panes, the steering or another screen."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from engine.session.locking import engine_of
from engine.session.operator import operator
from tui import commander, copying, steering, toasts
from tui.actions import BY_ID
from tui.refusals import refusal
from tui.steering import No, Order, Question

if TYPE_CHECKING:
    from tui.app import OvernightApp
    from tui.panes.pane import Pane
    from tui.screens.dialogs import ConfirmScreen

_DONE_AT_ONCE = ("note", "unsay")
"""Orders of which nothing is told before their answer is there."""


class Deeds:
    """`do(id)` carries an action out; why it cannot be done is told to the operator."""

    def __init__(self, app: OvernightApp) -> None:
        self.app = app
        self._asking: ConfirmScreen | None = None
        self._by_id: dict[str, Callable[[], object]] = {
            "pane.next": lambda: app.main.step_pane(1),
            "pane.previous": lambda: app.main.step_pane(-1),
            "pane.zoom": app.main.zoom,
            "look.find": self._find,
            "look.find_next": lambda: app.main.runlog.view.search_next(),
            "look.find_previous": lambda: app.main.runlog.view.search_previous(),
            "look.follow": self._follow,
            "look.wrap": lambda: app.main.runlog.view.toggle_wrap(),
            "look.inside": self._inside,
            "look.words": self._words,
            "look.sort": lambda: app.main.experiments.sort_next(),
            "look.reverse": lambda: app.main.experiments.sort_reverse(),
            "look.discards": lambda: app.main.experiments.hide_discards(),
            "loop.start": self._start,
            "loop.pause": lambda: self._take(steering.pause_or_resume(app.view)),
            "loop.stop": lambda: self._take(steering.stop(app.view)),
            "loop.abort": lambda: self._take(steering.abort(app.view)),
            "loop.message": self._message,
            "loop.amend": self._amend,
            "decide.revert": lambda: self._take(steering.revert(app.view)),
            "decide.keep": lambda: self._take(steering.keep(app.view)),
            "decide.undo": lambda: self._take(steering.undo(app.view)),
            "decide.note": self._note,
            "session.program": self._edit_program,
            "session.copy": self._copy,
            "session.charts": app.open_charts,
            "session.growth": app.open_growth,
            "session.journal": app.open_journal,
            "session.all": app.open_sessions,
            "session.swarm": self._swarm,
            "console.slow": app.toggle_slow,
            "console.help": app.open_help,
            "console.palette": app.action_command_palette,
            "console.close": self._close,
            "console.detach": app.detach,
        }

    def do(self, id: str) -> None:
        """Carry the action out."""
        # The table's own word for its cursor is still in the queue when a key follows close upon a move.
        key = self.app.main.experiments.table.selected_key
        if isinstance(key, int):
            self.app.view.selected = key
        if why := self.refusal(id):
            self.app.tell(why, bad=True)
        elif id in self._by_id:
            self._by_id[id]()
            self.app.repaint()
        elif id.startswith("pane."):
            if id == "pane.diff":
                self.app.main.diff.retry()
            self.app.main.show_pane(id.removeprefix("pane."))

    def refusal(self, id: str) -> str:
        """Why an action cannot be done now; "" where it can."""
        return refusal(self.app.view, id)

    # Looking

    def _find(self) -> None:
        main = self.app.main
        pane: Pane = main.front if main.front.find() else main.experiments
        if pane is main.experiments and not main.shows("experiments"):
            main.show_pane("experiments")
        if pane is main.experiments:
            main.ask.ask(
                "filter", "filter: words that a run must contain; empty shows all", main.experiments.source.filter_text
            )
        else:
            main.ask.ask("search", "search the log; n and N go on", main.runlog.view.pattern)

    def _follow(self) -> None:
        main = self.app.main
        if main.front is main.experiments:
            main.experiments.table.action_move("end")
        elif main.runlog.run is not None:
            self.app.open_log(None)
        else:
            main.runlog.view.follow()

    def _inside(self) -> None:
        run = self.app.view.selected
        if run is not None:
            self.app.main.show_pane("runlog")
            current = self.app.view.state.current
            self.app.open_log(None if current is not None and current.run == run else run)

    def _words(self) -> None:
        self.app.main.show_pane("runlog")
        self.app.open_log(self.app.view.selected, words=True)

    def _close(self) -> None:
        """Esc: what the operator was told, then a zoom, a filter or a search, whichever is there."""
        main = self.app.main
        if self.app._notifications:
            toasts.clear(self.app)
        elif main.zoomed:
            main.zoom()
        elif main.front is main.experiments and main.experiments.source.filter_text:
            main.experiments.find_text("")
        elif main.front is main.runlog and main.runlog.view.pattern:
            main.runlog.view.search("")

    def _copy(self) -> None:
        text = self.app.main.front.copied(self.app.view)
        if not text:
            self.app.tell("there is nothing to copy here", bad=True)
            return
        self.app.behind(partial(self._copied, text), "copy")

    async def _copied(self, text: str) -> None:
        self.app.tell(await asyncio.to_thread(copying.copy, text, os.environ, self.app.to_terminal))

    # Steering

    def _take(self, answer: steering.Answer) -> None:
        if isinstance(answer, No):
            self.app.tell(answer.why, bad=True)
        elif isinstance(answer, Question):
            self._ask(answer)
        else:
            self._send(answer)

    def _ask(self, question: Question, diff: str | None = None) -> None:
        from tui.screens.dialogs import ConfirmScreen

        screen = ConfirmScreen(question, diff=diff, asked_by=self._keys_of(question.order.kind))

        def answered(yes: bool | None) -> None:
            if yes:
                self._send(question.order)

        toasts.clear(self.app)  # what was told before must not lie over what is asked
        self._asking = screen
        self.app.push_screen(screen, answered)
        if question.diff_of is not None:
            self.app.behind(partial(self._fill, screen, question.diff_of), "question", exclusive=True)

    def look_at_question(self) -> None:
        """Close the question on the screen where what happened meanwhile left nothing to decide."""
        screen = self._asking
        if screen is None or self.app.screen is not screen:
            return
        if why := steering.overtaken(screen.question, self.app.view):
            screen.dismiss(False)
            self.app.tell(why)

    def _keys_of(self, kind: str) -> tuple[str, ...]:
        """The keys of the action that gives an order of this kind."""
        return next((self.app.keys[id] for id, action in BY_ID.items() if action.acts and action.verb == kind), ())

    async def _fill(self, screen: ConfirmScreen, run: int) -> None:
        diff, problem = await self.app.diff_of(run)
        screen.show_diff(diff, problem)

    def _send(self, order: Order) -> None:
        self.app.behind(partial(self._deliver, order), "send")

    async def _deliver(self, order: Order) -> None:
        app, view = self.app, self.app.view
        quiet = order.kind in _DONE_AT_ONCE

        def sending(id: str) -> None:
            view.asked[id] = order.kind

        if not app.view.running and order.kind not in ("stop", "abort") and not quiet:
            app.tell(order.said)
        sent = await commander.send(app.paths, order, engine=view.running, sending=sending)
        answered = sent.id != "" and sent.id not in view.asked
        if sent.status == "refused":
            view.asked.pop(sent.id, None)
        if sent.status != "queued" or not (quiet or answered):
            app.tell(sent.text, bad=sent.status == "refused")
        app.nudge()
        app.repaint()

    def _message(self) -> None:
        self._write("")

    def said(self, text: str) -> None:
        """The input line was sent."""
        if why := self.refusal("loop.message"):
            self.app.tell(why, bad=True)
            return
        self._take(steering.say(self.app.view, text))

    def _amend(self) -> None:
        answer = steering.amend(self.app.view, operator())
        if isinstance(answer, No):
            self.app.tell(answer.why, bad=True)
            return
        self._send(answer)
        self._write(answer.args["text"])

    def _write(self, text: str) -> None:
        pane = self.app.main.researcher
        pane.write(text)
        self.app.main.show_pane("researcher", pane.input)

    def _note(self) -> None:
        run = self.app.view.selected
        self.app.main.ask.ask(f"note {run}", f"a note on run {run}: Enter writes it down, Esc leaves it")

    def answered(self, purpose: str, text: str) -> None:
        """The line at the bottom was answered."""
        main = self.app.main
        if purpose == "filter":
            main.experiments.find_text(text)
        elif purpose == "search":
            main.runlog.find_text(text)
        elif purpose.startswith("note ") and text:
            self._send(steering.note(int(purpose.removeprefix("note ")), text))
        self.app.repaint()

    def _swarm(self) -> None:
        from tui.screens.swarm import SwarmScreen

        self.app.push_screen(SwarmScreen(self.app.paths, lambda: self.app.view, self._ask))

    def _start(self) -> None:
        if not self.app.view.starting:
            self.app.view.starting = True
            self.app.behind(self._launch, "start")

    async def _launch(self) -> None:
        app = self.app
        ran = await commander.start(app.paths)
        app.view.starting = False
        if ran.code:
            app.tell(f"the engine did not start: {ran.sentence}", bad=True)
        else:
            app.view.engine = engine_of(app.paths.lock)
            app.tell("the engine has started; it goes on without this console")
        app.nudge()
        app.repaint()

    def _edit_program(self) -> None:
        program = self.app.paths.program
        editor = _editor()
        if isinstance(editor, No):
            self.app.tell(editor.why, bad=True)
            return
        problem = ""
        try:
            with self.app.suspend():
                # Nothing may be raised in here: Textual would never take the terminal back.
                before = signal.signal(signal.SIGINT, lambda *_: None)  # ctrl+c is the editor's
                try:
                    code = subprocess.run([*editor, str(program)], check=False).returncode
                    problem = f"{editor[0]} ended with {code}; {program.name} is as it left it" if code else ""
                except (OSError, ValueError) as error:
                    problem = f"{editor[0]!r} cannot be run ({error}); set EDITOR to your editor"
                finally:
                    signal.signal(signal.SIGINT, before)
        except SuspendNotSupported:
            problem = f"an editor cannot be opened in this terminal; edit {program}"
        self.app.tell(
            problem or f"{program.name}: the next experiment's prompt carries what it says now", bad=bool(problem)
        )


def _editor() -> list[str] | No:
    """The operator's editor and its arguments, or why there is none."""
    for name in ("VISUAL", "EDITOR"):
        if written := os.environ.get(name, "").strip():
            try:
                words = shlex.split(written)
            except ValueError as error:
                return No(f"{name} cannot be read ({error}): {written!r}; set it to your editor's command")
            if not words or shutil.which(words[0]) is None:
                return No(f"{name} names {written!r}, which cannot be run; set it to your editor's command")
            return words
    if shutil.which("vi") is None:
        return No("EDITOR is not set and there is no vi; set EDITOR to your editor's command")
    return ["vi"]
