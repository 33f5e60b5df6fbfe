"""Themes: dark and light for terminals with 256 colours or more, their ANSI twins for 16, and none at all.

`choose_theme` decides from the environment and the operator's setting; `apply` makes an app wear the choice. Without
colours only the SGR codes 0, 1, 2, 3, 4 and 7 reach the terminal: bold, dim, italic, underline and reverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rich.color import Color as RichColor
from rich.segment import Segment, Segments
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter, Monochrome, NoColor
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme

if TYPE_CHECKING:
    from typing import Any

    from textual.app import App

_MUTED_CURSOR = {"block-cursor-text-style": "none", "footer-key-foreground": "#7fb4e6"}

_WITHOUT_BACKGROUNDS = {
    "ansi-background": "ansi_default",
    "ansi-foreground": "ansi_default",
    "block-cursor-foreground": "ansi_default",
    "block-cursor-background": "ansi_default",
    "block-cursor-text-style": "reverse",
    "block-cursor-blurred-text-style": "bold",
    "input-cursor-foreground": "ansi_default",
    "input-cursor-background": "ansi_default",
    "input-cursor-text-style": "reverse",
    "button-focus-text-style": "b reverse",
    "scrollbar-background": "ansi_default",
    "scrollbar-background-hover": "ansi_default",
    "scrollbar-background-active": "ansi_default",
    "scrollbar-corner-color": "ansi_default",
}


def _ansi(name: str, *, dark: bool, accent: str, warning: str, border: str) -> Theme:
    return Theme(
        name=name,
        ansi=True,
        dark=dark,
        primary="ansi_blue" if not dark else "ansi_bright_blue",
        secondary="ansi_cyan",
        warning=warning,
        error="ansi_red",
        success="ansi_green",
        accent=accent,
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables={**_WITHOUT_BACKGROUNDS, "border": "ansi_blue", "border-blurred": border},
    )


THEMES = {
    theme.name: theme
    for theme in (
        Theme(
            name="dark",
            primary="#6ea8dc",
            secondary="#8ea4bd",
            accent="#e0a458",
            warning="#e5c453",
            error="#e06c75",
            success="#7fc98b",
            foreground="#d6dbe1",
            background="#14171b",
            surface="#1a1e23",
            panel="#232930",
            dark=True,
            variables={**_MUTED_CURSOR, "block-cursor-background": "#3a5a7a", "block-cursor-foreground": "#ffffff"},
        ),
        Theme(
            name="light",
            primary="#1f5f99",
            secondary="#4d6478",
            accent="#9a5b00",
            warning="#8a6a00",
            error="#b3261e",
            success="#1d7a37",
            foreground="#20262c",
            background="#fbfbf9",
            surface="#f2f2ee",
            panel="#e6e7e3",
            dark=False,
            variables={
                "block-cursor-text-style": "none",
                "block-cursor-background": "#1f5f99",
                "block-cursor-foreground": "#ffffff",
                "footer-key-foreground": "#1f5f99",
            },
        ),
        _ansi("ansi-dark", dark=True, accent="ansi_yellow", warning="ansi_bright_yellow", border="ansi_white"),
        _ansi("ansi-light", dark=False, accent="ansi_magenta", warning="ansi_red", border="ansi_bright_black"),
        Theme(
            name="plain",
            ansi=True,
            primary="ansi_default",
            secondary="ansi_default",
            warning="ansi_default",
            error="ansi_default",
            success="ansi_default",
            accent="ansi_default",
            foreground="ansi_default",
            background="ansi_default",
            surface="ansi_default",
            panel="ansi_default",
            boost="ansi_default",
            variables={
                **_WITHOUT_BACKGROUNDS,
                "border": "ansi_default",
                "border-blurred": "ansi_default",
                "input-selection-foreground": "ansi_default",
                "input-selection-background": "ansi_default",
            },
        ),
    )
}


class Choice(NamedTuple):
    """A theme's name, whether all colour is to be dropped, and what was wrong with the setting ("" if nothing)."""

    theme: str
    no_color: bool = False
    problem: str = ""


def choose_theme(environ: Mapping[str, str], configured: str = "auto") -> Choice:
    """The theme after `NO_COLOR` (not empty: none at all), the operator's setting, and what the terminal can do.

    A light background is known only where the terminal tells it by `COLORFGBG`; otherwise dark is taken.
    """
    if environ.get("NO_COLOR"):
        return Choice("plain", no_color=True)
    problem = ""
    if configured in THEMES:
        return Choice(configured, no_color=configured == "plain")
    if configured not in ("", "auto"):
        problem = f"there is no theme {configured!r}; choose one of auto, {', '.join(THEMES)}"
    kind = "light" if _is_light(environ.get("COLORFGBG", "")) else "dark"
    return Choice(kind if _has_many_colours(environ) else f"ansi-{kind}", problem=problem)


def _is_light(fgbg: str) -> bool:
    last = fgbg.rpartition(";")[2]
    return last.isdigit() and int(last) in (7, 15)


def _has_many_colours(environ: Mapping[str, str]) -> bool:
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return True
    term = environ.get("TERM", "")
    return any(part in term for part in ("256color", "truecolor", "direct", "kitty", "alacritty", "ghostty", "wezterm"))


@lru_cache(4096)
def _without_colour(style: Style) -> Style:
    return Style(
        bold=style.bold,
        dim=style.dim,
        italic=style.italic,
        underline=bool(style.underline or style.underline2) or None,
        reverse=style.reverse,
        meta=style.meta or None,
    )


class WithoutColour(LineFilter):
    """Drops colours and the attributes that not all terminals have; Textual's own filter leaves codes 39 and 49."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, None if style is None else _without_colour(style), control)
            for text, style, control in segments
        ]


class GlyphScrollBar(ScrollBarRender):
    """A scrollbar drawn by glyphs, so that it is seen without colours as well."""

    @classmethod
    def render_bar(
        cls,
        size: int = 25,
        virtual_size: float = 50,
        window_size: float = 20,
        position: float = 0,
        thickness: int = 1,
        vertical: bool = True,
        back_color: RichColor = RichColor.default(),
        bar_color: RichColor = RichColor.default(),
    ) -> Segments:
        thumb_glyph, track = ("┃", " ") if vertical else ("━", " ")
        width = thickness if vertical else 1
        start, end = 0, 0
        if window_size and size and virtual_size > window_size:
            length = max(1, min(size - 1, round(size * window_size / virtual_size)))
            share = min(1.0, max(0.0, position / (virtual_size - window_size)))
            start = round(share * (size - length))
            end = start + length
        segments = []
        for place in range(int(size)):
            grab = start <= place < end
            meta = {"@mouse.down": "grab" if grab else "scroll_up" if place < start else "scroll_down"}
            glyph = (thumb_glyph if grab else track) * width
            segments.append(Segment(glyph, Style(color=bar_color, bgcolor=back_color, meta=meta)))
        if vertical:
            return Segments(segments, new_lines=True)
        return Segments([*segments, Segment.line()] * thickness, new_lines=False)


def apply(app: App[Any], choice: Choice) -> None:
    """Make the app wear the chosen theme; to be called before it runs, or any time later."""
    for theme in THEMES.values():
        app.register_theme(theme)
    ScrollBar.renderer = GlyphScrollBar
    app.no_color = choice.no_color
    kept = [f for f in app._filters if not isinstance(f, NoColor | Monochrome | WithoutColour)]
    app._filters[:] = [*kept, WithoutColour()] if choice.no_color else kept
    app.theme = choice.theme
