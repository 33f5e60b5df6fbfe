"""The growth search on its screen: figures are the journal's or the file's, sorted and filtered, as new as they are."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.pilot import Pilot

from engine.session import growing, growthlog, growthread
from engine.session.growing import Candidate, Growth, Measured, Round
from tests.session.test_growthlog import PUBLIC
from tests.tui import piloting
from tests.tui.growingnight import GrowingNight, costs_of, loss_of
from tests.tui.piloting import console, screen_text
from tests.tui.recording import Recording
from tests.tui.stage import text_of, until
from tui import front, growthdata, growthrows
from tui.braille import path_plot
from tui.config import Config
from tui.growthrows import Tried
from tui.growthsource import FileSource, SessionSource
from tui.growthview import GrowthView
from tui.model import View
from tui.runs import line_width, plain
from tui.screens.growth import GrowthScreen
from tui.series import Point

quick = settings(max_examples=60, deadline=None)
values = st.floats(-1e6, 1e6, allow_nan=False)
points = st.lists(st.builds(Point, values, values), max_size=30)
any_values = st.floats(allow_nan=True, allow_infinity=True)


def write(path: Path, growth: Growth) -> None:
    """As a search that goes on does: another file under the name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(growthlog.render(growth), encoding="utf-8")
    fresh.replace(path)


def rows_of(screen: GrowthScreen) -> list[str]:
    """The parameters of the candidates shown, in their order."""
    return [screen.candidates.record(index).candidate.param for index in range(len(screen.candidates))]


# What is said and drawn


def test_a_candidates_row_has_the_figures_of_its_own_trials(tmp_path: Path) -> None:
    state = GrowingNight(tmp_path).play(1).state
    found = growing.of_state(state).rounds[0]
    before = {"DEPTH": 4, "N_EMBD": 256, "N_HEAD": 4, "MLP_WIDTH": 512}
    base = [math.exp(-loss_of(before, seed)) for seed in (1337, 1338)]
    for one in growthrows.tried(found):
        sizes = {**before, one.candidate.param: one.candidate.value}
        scores = [math.exp(-loss_of(sizes, seed)) for seed in (1337, 1338)]  # type: ignore[arg-type]
        delta = (sum(scores) - sum(base)) / 2
        params = costs_of(sizes)["num_params_M"]  # type: ignore[arg-type]
        more = (params - costs_of(before)["num_params_M"]) * 1e6
        row = [text for text, _ in growthrows.cells(one, "params")]
        assert row[1:4] == [str(one.candidate.value), f"{sum(scores) / 2:.5f}", f"{delta:+.5f}"]
        assert row[4] == f"{params:.4g}M"
        assert row[5] == (f"{delta / more:.3g}" if more else "0")
        assert row[6] == f"{abs(scores[0] - scores[1]):.5f}"


def test_each_state_of_a_candidate_has_its_glyph_and_a_crash_says_why(tmp_path: Path) -> None:
    night = GrowingNight(tmp_path)
    night.sizes["N_HEAD"] = 6  # the next step does not fit
    night.play(1).round_under_way()
    first, second = growing.of_state(night.state).rounds
    rows = {one.candidate.param: one for one in growthrows.tried(first)}
    assert [growthrows.glyph(one) for one in rows.values()].count("●") == 1
    assert growthrows.glyph(rows["N_HEAD"]) == "×"
    assert growthrows.status_text(rows["N_HEAD"]) == "crash: CUDA out of memory"
    assert [growthrows.glyph(one) for one in growthrows.tried(second)] == ["·", "▶", "○", "○"]
    told = plain(growthdata.standing(Growth((first, second)), [("doing", "")]))
    assert "round 2" in told and "1 of 4" in told and second.candidates[1].key in told and "doing" in told


def test_an_end_a_longer_training_and_a_baseline_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(PUBLIC, encoding="utf-8")
    found = growthread.read(path)
    cells = [growthrows.round_cells(one, False) for one in growthrows.numbered(found.rounds)]
    assert [[text for text, _ in row] for row in cells] == [
        ["○ 0", "baseline"],
        ["● 1", "n_layer=3, layer 0 copied"],
        ["↑ 2", "longer: 1500"],
    ]
    assert "no_positive_efficiency" in plain(growthdata.standing(found, []))
    assert "1500" in plain(growthdata.about_round(found.rounds[2]))
    layers, listed = growthrows.tried(found.rounds[1])
    assert growthrows.value_text(layers.candidate) == "3 ←0" and growthrows.value_text(listed.candidate) == "320"


def test_a_cost_that_did_not_rise_has_no_end_of_efficiency_and_sorts_first() -> None:
    best = Tried(0, Candidate("a", "a", 1, "done", delta_score=0.1, efficiency=math.inf), False)
    worse = Tried(1, Candidate("b", "b", 1, "done", delta_score=0.9, efficiency=9.0), False)
    waiting = Tried(2, Candidate("c", "c", 1), False)
    assert growthrows.efficiency_text(math.inf) == "∞"
    assert growthrows.sort_value(best, "efficiency", "vram") > growthrows.sort_value(worse, "efficiency", "vram")  # type: ignore[operator]
    assert growthrows.sort_value(waiting, "efficiency", "vram") is None


@quick
@given(points, points, st.none() | st.builds(Point, values, values), st.integers(0, 90), st.integers(0, 30))
def test_a_path_has_exactly_the_size_and_shows_its_places(
    path: list[Point], others: list[Point], here: Point | None, width: int, height: int
) -> None:
    lines = path_plot(path, others, width, height, here=here, x_title="cost", y_title="score")
    assert len(lines) == height
    assert all(line_width(line) == width for line in lines)
    text = text_of(lines)
    assert "▲" not in text or others or here, "the path itself is whole"


def test_a_path_marks_what_was_taken_what_lies_beside_and_the_row() -> None:
    lines = path_plot([Point(1, 0.1), Point(2, 0.2)], [Point(1.5, 0.1)], 40, 12, here=Point(1.5, 0.2))
    text = text_of(lines)
    assert (text.count("●"), text.count("+"), text.count("◆")) == (2, 1, 1)


@quick
@given(any_values, any_values, any_values, st.integers(1, 120), st.integers(1, 40))
def test_no_figure_however_odd_breaks_the_chart_or_a_row(
    cost: float, score: float, other: float, width: int, height: int
) -> None:
    base = Measured(loss=1.0, score=score, params=cost, peak_mb=other, step_ms=other)
    one = Candidate("A=1\x1b[2J", "A\x1b[2J", other, "done", 2, base, score, cost, other)
    found = Round(1, "params", base, (one,), "A=1\x1b[2J", reason="\x1b[2J")
    growth = Growth((found,), "params")
    lines = growthdata.chart(growth, found, one, width, height)
    assert lines and "\x1b" not in text_of(lines)
    (tried,) = growthrows.tried(found)
    for cost_of in ("params", "vram", "iter"):
        assert len(growthrows.cells(tried, cost_of)) == len(growthrows.columns(cost_of, width))
    said = [growthdata.about_round(found), growthdata.about_candidate(tried), growthdata.gained(growth)]
    assert "\x1b" not in text_of([*said, list(growthrows.cells(tried, "params"))])


# A session's search


async def opened(pilot: Pilot[str]) -> GrowthScreen:
    """The screen, its first figures read."""
    await pilot.press("W")
    app = pilot.app
    await piloting.until(pilot, lambda: isinstance(app.screen, GrowthScreen) and len(app.screen.rounds) > 0)
    assert isinstance(app.screen, GrowthScreen)
    return app.screen


async def test_the_key_opens_the_rounds_and_what_is_measured_meanwhile_comes_in(tmp_path: Path) -> None:
    night = GrowingNight(tmp_path).play(1)
    night.hold()
    async with console(night, (80, 24)) as (app, pilot):
        screen = await opened(pilot)
        assert len(screen.rounds) == 1 and len(screen.candidates) == 4
        night.round_under_way()
        await piloting.until(pilot, lambda: "1 of 4 · N_EMBD=320" in screen_text(app))
        assert screen.shown is not None and screen.shown.round.number == 2, "the newest round is followed"
        here = screen.here
        assert here is not None and here.candidate.status == "running"
    night.let_go()


async def test_candidates_are_sorted_turned_round_and_filtered(tmp_path: Path) -> None:
    night = GrowingNight(tmp_path).play(2)
    async with console(night, (120, 30)) as (app, pilot):
        screen = await opened(pilot)
        assert rows_of(screen) == ["DEPTH", "N_EMBD", "N_HEAD", "MLP_WIDTH"], "as they were tried"
        await pilot.press("o")
        found = [screen.candidates.record(index).candidate.efficiency for index in range(4)]
        assert all(one >= two for one, two in pairwise(found))
        ranked = growing.ranked(growing.of_state(night.state).rounds[-1].candidates)
        assert rows_of(screen)[: len(ranked)] == [one.param for one in ranked], "as the search ranks them"
        order = rows_of(screen)
        await pilot.press("O")
        assert rows_of(screen) == order[::-1]
        await pilot.press("slash", *"n_", "enter")
        await piloting.until(pilot, lambda: set(rows_of(screen)) == {"N_EMBD", "N_HEAD"})
        await pilot.press("escape")
        await piloting.until(pilot, lambda: len(rows_of(screen)) == 4)
        assert app.screen is screen
        await pilot.press("escape")
        await piloting.until(pilot, lambda: app.screen is app.main)


async def test_another_rounds_candidates_are_shown_and_one_leads_to_its_run(tmp_path: Path) -> None:
    night = GrowingNight(tmp_path).play(3)
    async with console(night, (80, 24)) as (app, pilot):
        screen = await opened(pilot)
        await pilot.press("tab", "g")
        await piloting.until(pilot, lambda: screen.shown is not None and screen.shown.round.number == 1)
        first = growing.of_state(night.state).rounds[0]
        await piloting.until(
            pilot, lambda: screen.here is not None and screen.here.candidate.key == first.chosen and screen.here.taken
        )
        await pilot.press("enter", "g", "j", "enter")
        await piloting.until(pilot, lambda: app.screen is app.main and app.main.front.ident == "notes")
        assert app.view.selected == first.candidates[1].run


async def test_a_session_without_a_search_says_so(tmp_path: Path) -> None:
    async with console(Recording(tmp_path).open().night(2), (80, 24)) as (app, pilot):
        await pilot.press("W")
        await piloting.until(pilot, lambda: "no round yet" in screen_text(app))


def test_rounds_are_worked_out_only_when_the_journal_grew(tmp_path: Path) -> None:
    night = GrowingNight(tmp_path).play(1)
    view = View(name="mar5", state=night.state, loaded=True)
    source = SessionSource(lambda: view)
    assert source.look().growth is source.look().growth
    night.plan()
    view.state = night.state
    assert len(source.look().growth.rounds) == 2


# A file


async def shown(pilot: Pilot[Any], text: str) -> None:
    """Wait until the screen shows this."""
    await until(pilot, lambda: text in screen_text(pilot.app))  # type: ignore[arg-type]


async def test_a_file_is_shown_live_without_a_session(tmp_path: Path) -> None:
    night, path = GrowingNight(tmp_path).play(1), tmp_path / "grow.yaml"
    write(path, growing.of_state(night.state))
    app = GrowthView(path, Config())
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, "round 1 is over")
        night.round_under_way()
        write(path, growing.of_state(night.state))
        await shown(pilot, "1 of 4")
        screen = app.screen
        assert isinstance(screen, GrowthScreen) and rows_of(screen) == ["DEPTH", "N_EMBD", "N_HEAD", "MLP_WIDTH"]
        await pilot.press("enter")
        assert app.screen is screen, "there is no session with its runs"
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


async def test_a_log_of_the_public_tool_opens_and_damage_leaves_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(PUBLIC, encoding="utf-8")
    app = GrowthView(path, Config())
    async with app.run_test(size=(200, 50)) as pilot:
        await shown(pilot, "no_positive_efficiency")
        await pilot.press("tab", "k")
        await shown(pilot, "0.16530")
        path.write_text(PUBLIC + "iterations: [", encoding="utf-8")
        await shown(pilot, "✖")
        assert "0.16530" in screen_text(app)  # type: ignore[arg-type]
        path.unlink()
        await shown(pilot, "cannot be read")
        path.write_text(PUBLIC, encoding="utf-8")
        await shown(pilot, "no_positive_efficiency")


async def test_words_typed_ahead_of_the_filters_line_are_no_commands(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(PUBLIC, encoding="utf-8")
    app = GrowthView(path, Config())
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, "no_positive_efficiency")
        for key in ("tab", "k", "slash", *"layerq", "backspace", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await shown(pilot, "filter: layer")
        screen = app.screen
        assert isinstance(screen, GrowthScreen) and screen.shown is not None and screen.shown.round.number == 1


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(PUBLIC, encoding="utf-8")
    source = FileSource(path)
    assert source.look() is source.look()
    assert FileSource(tmp_path / "gone.yaml").look().trouble.endswith("No such file or directory")


def test_without_a_terminal_the_viewer_says_what_to_do(tmp_path: Path, capsys: Any) -> None:
    assert front.main(["grow", str(tmp_path / "sweep.yaml")]) == 2
    assert "needs a terminal" in capsys.readouterr().err
