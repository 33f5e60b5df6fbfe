"""The picture of a learning-rate test, as PNG. Needs matplotlib (extra `report`), imported when it is drawn."""

from __future__ import annotations

import io

from engine.reports.pictures import MISSING, NoPictures
from engine.session.lrcurve import Reading
from engine.session.lrtest import LrTest

_COLOURS = {"steepest": "#c2571a", "minimum": "#7a4fb0", "valley": "#1a7f5a", "bold": "#2d333a"}
_DOT, _LINE, _INK = "#c3c9cf", "#2b6cb0", "#2d333a"


def png(test: LrTest, reading: Reading) -> bytes:
    """Loss over the rate on a logarithmic axis, the suggestions as lines. Errors: NoPictures."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPictures(MISSING) from error
    figure = Figure(figsize=(7.5, 4.2), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    unit = test.unit()
    rates = [x * unit for x, _, _ in reading.curve]
    smooth = [value for _, _, value in reading.curve]
    seeds = f"mean of {len(test.sweeps)} seeds" if len(test.sweeps) > 1 else "one seed"
    axes.scatter(rates, [loss for _, loss, _ in reading.curve], s=9, color=_DOT, label=f"loss, {seeds}", zorder=2)
    axes.plot(rates, smooth, color=_LINE, linewidth=1.8, label="smoothed", zorder=3)
    for one in reading.suggestions:
        label = f"{one.title}: {one.at * unit:.3g}"
        axes.axvline(one.at * unit, color=_COLOURS[one.name], linewidth=1.3, linestyle="--", label=label, zorder=1)
        if one.high > one.low:
            axes.axvspan(one.low * unit, one.high * unit, color=_COLOURS[one.name], alpha=0.08, linewidth=0, zorder=0)
    low, high = min(min(smooth), min(loss for _, loss, _ in reading.curve)), max(smooth)  # no upper end: it may diverge
    room = 0.06 * (high - low) or 0.1
    axes.set_ylim(low - room, high + room)
    axes.set_xscale("log")
    axes.set_xlabel(test.of(), color=_INK, fontsize=9)
    alone = "" if test.group == "all" else f", what the groups beside {test.group} learn taken out"
    axes.set_ylabel("training loss", color=_INK, fontsize=9)
    axes.set_title(f"learning-rate test of run {test.run}{alone}", color=_INK, fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150)
    return out.getvalue()
