"""The named styles that pure code gives its runs, resolved from the theme that is on.

States are always told by a glyph or a word as well: without colours these styles keep only bold, dim and reverse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from textual.color import Color, ColorParseError

if TYPE_CHECKING:
    from textual.app import App

# name: (theme variable of the text's colour, variable of a faint background or "", attributes)
_RECIPES: dict[str, tuple[str, str, dict[str, bool]]] = {
    "dim": ("", "", {"dim": True}),
    "strong": ("", "", {"bold": True}),
    "italic": ("", "", {"italic": True}),
    "reverse": ("", "", {"reverse": True}),
    "title": ("primary", "", {"bold": True}),
    "accent": ("accent", "", {}),
    "good": ("success", "", {}),
    "bad": ("error", "", {}),
    "warn": ("warning", "", {}),
    "info": ("secondary", "", {}),
    "keep": ("success", "", {}),
    "champion": ("success", "", {"bold": True}),
    "discard": ("", "", {"dim": True}),
    "crash": ("error", "", {}),
    "checks_failed": ("warning", "", {}),
    "running": ("accent", "", {"bold": True}),
    "axis": ("", "", {"dim": True}),
    "best": ("success", "", {}),
    "curve": ("accent", "", {}),
    "reference": ("secondary", "", {"dim": True}),
    "added": ("success", "success", {}),
    "removed": ("error", "error", {}),
    "hunk": ("secondary", "", {"bold": True}),
    "match": ("", "", {"reverse": True}),
    "scroll": ("primary", "", {}),
}

NAMES = frozenset(_RECIPES)

_cache: dict[tuple[str, bool], dict[str, Style]] = {}


def palette(app: App[object]) -> dict[str, Style]:
    """Style by name for the app's present theme (computed once for each theme)."""
    key = (app.theme, app.native_ansi_color)
    if key not in _cache:
        _cache[key] = _mix(app.theme_variables, ansi=app.native_ansi_color)
    return _cache[key]


def _mix(variables: dict[str, str], *, ansi: bool) -> dict[str, Style]:
    styles: dict[str, Style] = {}
    ground = _colour(variables.get("background", ""))
    for name, (text, behind, attributes) in _RECIPES.items():
        colour = _colour(variables.get(text, "")) if text else None
        faint = _colour(variables.get(behind, "")) if behind and not ansi else None
        shade = ground.blend(faint, 0.14) if ground and faint else None
        styles[name] = Style(
            color=colour.rich_color if colour else None,
            bgcolor=shade.rich_color if shade else None,
            **attributes,  # type: ignore[arg-type]
        )
    return styles


def _colour(value: str) -> Color | None:
    try:
        return Color.parse(value) if value else None
    except ColorParseError:
        return None
