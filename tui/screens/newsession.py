"""A small form for a new session: its name, its tier, its data. What is wrong with them, the verb itself says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from engine.session.inert import inert
from engine.session.naming import NAME_HINT, can_be_a_name
from tui.commander import Ran

_TIERS = "auto (by this machine), cpu, or a GPU's memory: 4 8 12 16 24 32 80"
_DATA = "demo (no download), climbmix, or a file or folder of texts"


class NewSessionScreen(ModalScreen[str]):
    """Makes a session by `create(name, tier, data)`; its result is the name once there is one, None when given up.

    The form stays open until that is over, so that nothing typed is lost by a mistake.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "cancel", show=False, id="console.close")]
    DEFAULT_CSS = """
    NewSessionScreen { align: center middle; }
    NewSessionScreen > Vertical {
        width: 72; max-width: 96%; height: auto; border: round $primary; background: $surface; padding: 0 1;
    }
    NewSessionScreen:ansi > Vertical { background: ansi_default; }
    NewSessionScreen Input { border: none; height: 1; padding: 0; background: $panel; }
    NewSessionScreen Input:focus { background: $panel; text-style: bold; }
    NewSessionScreen Static { height: auto; color: $text-muted; }
    NewSessionScreen .label { color: $foreground; text-style: bold; margin-top: 1; }
    NewSessionScreen .label:focus-within { color: $primary; }
    NewSessionScreen #new-says { margin-top: 1; color: $warning; }
    NewSessionScreen #new-keys { margin-top: 1; }
    """
    AUTO_FOCUS = "#new-name"

    def __init__(self, create: Callable[[str, str, str], Awaitable[Ran]]) -> None:
        super().__init__()
        self._create = create
        self.busy = False
        self._says = Static("", id="new-says", markup=False)

    def compose(self) -> ComposeResult:
        """Three lines to type in."""
        box = Vertical(id="new")
        box.border_title = "new session"
        with box:
            for name, value, hint in (
                ("name", "", NAME_HINT),
                ("tier", "auto", _TIERS),
                ("data", "demo", _DATA),
            ):
                yield Static(f"{name}", classes="label", markup=False)
                line = Input(value, placeholder=name, id=f"new-{name}", compact=True)
                line.cursor_blink = False
                yield line
                yield Static(hint, markup=False)
            yield self._says
            yield Static(
                "Enter next, and at the last one makes it · Tab moves · Esc cancels", id="new-keys", markup=False
            )

    def on_mount(self) -> None:
        """What is behind stays in sight."""
        self.styles.background = "transparent"

    @property
    def says(self) -> str:
        """The sentence below the lines."""
        return str(self._says.render())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """On to the next line, or make it."""
        if event.input.id == "new-name" and not self._named(event.value.strip()):
            return
        if event.input.id != "new-data":
            self.focus_next(Input)
        elif not self.busy:
            self._make()

    def _make(self) -> None:
        name, tier, data = (self.query_one(f"#new-{field}", Input).value.strip() for field in ("name", "tier", "data"))
        if not self._named(name):
            return
        self.busy = True
        self._says.update(f"making {inert(name)}: its data may take a while …")
        # The app's worker: closing the form does not end what was begun.
        self.app.run_worker(self._wait(name, tier, data), group="new", exit_on_error=False)

    def _named(self, name: str) -> bool:
        """Whether it can be called so; if not, say why and go back to the name."""
        wrong = ""
        if not name:
            wrong = "a session needs a name"
        elif not can_be_a_name(name):
            wrong = f"{inert(name)!r} cannot be a session's name: {NAME_HINT}"
        self._says.update(wrong)
        if wrong:
            self.query_one("#new-name", Input).focus()
        return not wrong

    async def _wait(self, name: str, tier: str, data: str) -> None:
        ran = await self._create(name, tier, data)
        self.busy = False
        here = self.is_attached
        if ran.code == 0:
            self.app.notify(f"{inert(name)} is made", markup=False)
            if here:
                self.dismiss(name)
        elif here:
            self._says.update(inert(ran.sentence, newlines=True))
        else:
            self.app.notify(f"{inert(name)} was not made: {inert(ran.sentence)}", severity="warning", markup=False)

    def action_close(self) -> None:
        """Give up; what is being made goes on."""
        if self.busy:
            self.app.notify("the session is still being made; it will turn up in the list", markup=False)
        self.dismiss(None)
