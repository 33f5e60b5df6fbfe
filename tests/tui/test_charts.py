"""The charts draw what the journal and the logs say, and nothing else; reading happens beside the screen's loop."""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session import events as ev
from engine.session.journal import read
from engine.session.state import State
from tests.tui.recording import Recording
from tests.tui.stage import Stage, text_of, until
from tui import chartdata
from tui.chartdata import Loss
from tui.losscurves import CurveReader, read_curve
from tui.model import View
from tui.panes import chart
from tui.runs import line_width, plain
from tui.screens.charts import ChartsScreen

NIGHT = (("keep", 0.99), ("discard", 0.995), ("keep", 0.98), ("crash", None), ("keep", 0.97), ("discard", 0.98))


def recorded(root: Path) -> Recording:
    recording = Recording(root).open()
    for status, metric in NIGHT:
        recording.experiment(status, metric)
    return recording


def log_text(last: int, top: float = 9.0, of: int = 500) -> str:
    return "".join(
        f"step {step:05d} ({step / of * 100:.1f}%) | loss: {3 + top / step:.6f} | lrm: 1.00 | remaining: 3s\r"
        for step in range(1, last + 1)
    )


def finished_log(recording: Recording, run: int, top: float = 9.0) -> None:
    folder = recording.paths.run(run)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.log").write_text(log_text(500, top), encoding="utf-8")


# What is drawn


def test_each_decided_run_is_one_mark_and_a_crash_has_no_value(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    recording.train(recording.begin("under way"))
    state = read(recording.paths.journal)
    marks = chartdata.marks(state)
    assert [(mark.x, mark.y, mark.status) for mark in marks] == [
        (number, metric, status) for number, (status, metric) in enumerate(NIGHT, 1)
    ]
    legend = plain(chartdata.legend(state))
    assert "● 2 kept" in legend and "· 2 discarded" in legend and "× 1 crashed" in legend


@settings(max_examples=15)
@given(st.integers(0, 40), st.integers(0, 1000))
def test_the_champions_staircase_of_a_greedy_night_never_rises_and_ends_at_the_best(
    tmp_path_factory: object, count: int, seed: int
) -> None:
    root = tmp_path_factory.mktemp("night")  # type: ignore[attr-defined]
    state = read(Recording(root).open().night(count, seed).paths.journal)
    corners = chartdata.champion_steps(state, "val_bpb")
    assert all(one.y >= two.y and one.x <= two.x for one, two in pairwise(corners))
    champion = state.champion
    assert champion is not None and corners[-1].y == champion.metric
    assert corners[-1].x == len(state.experiments)


def test_a_reverted_champion_leaves_the_staircase(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    recording.write(
        ev.Overridden(
            at=recording.tick(),
            command="c",
            kind="revert",
            run=5,
            line=(1, 3),
            statuses={5: "discard"},
            withdrawn=(),
            by="ada",
        )
    )
    corners = chartdata.champion_steps(read(recording.paths.journal), "val_bpb")
    assert corners[-1].y == 0.98 and corners[-1].x == 6


def test_metrics_that_never_differ_are_left_out_and_the_segments_own_comes_first(tmp_path: Path) -> None:
    state = read(recorded(tmp_path).paths.journal)
    assert chartdata.metrics_of(state) == ["val_bpb", "peak_vram_mb"]
    assert chartdata.metrics_of(State()) == []
    values = {mark.y for mark in chartdata.marks(state, "peak_vram_mb")}
    assert 44201.0 in values and None in values


def test_the_loss_is_compared_at_the_same_step() -> None:
    current, champion = Loss(7, [(1, 5.0), (10, 4.0)]), Loss(3, [(1, 5.0), (9, 4.5), (20, 3.0)])
    said = plain(chartdata.comparison(current, champion))
    assert "step 10" in said and "4.5000" in said and "-0.5000 lower" in said
    assert chartdata.at_step(champion.points, 21) is None and chartdata.at_step(champion.points, 0) is None
    assert "no steps yet" in plain(chartdata.comparison(Loss(7), champion))
    assert "champion" not in plain(chartdata.comparison(current, Loss(3, [(1, 5.0)])))


def test_the_first_fall_of_a_long_curve_is_left_out_but_never_a_short_one_beside_it() -> None:
    long = Loss(1, [(step, 9 / step) for step in range(1, 1001)])
    assert chartdata.first_step(long) == 50
    assert chartdata.first_step(long, Loss(2, [(1, 9.0), (60, 3.0)])) == 0
    assert chartdata.first_step(Loss(2, [(1, 9.0)])) == 0


@settings(max_examples=25)
@given(st.integers(1, 150), st.integers(1, 50))
def test_the_pane_fills_its_room_exactly_at_any_size(tmp_path_factory: object, width: int, height: int) -> None:
    root = tmp_path_factory.mktemp("pane")  # type: ignore[attr-defined]
    drawn = chart.lines(View(state=read(recorded(root).paths.journal)), width, height)
    assert len(drawn) == height and all(line_width(line) <= width for line in drawn)


def test_the_pane_tells_kept_discarded_and_crashed_apart_by_their_glyphs(tmp_path: Path) -> None:
    drawn = text_of(chart.lines(View(state=read(recorded(tmp_path).paths.journal)), 70, 18)[:-1])
    assert drawn.count("●") == 3 and drawn.count("×") == 1 and drawn.count("·") >= 2
    assert text_of(chart.lines(View(), 40, 10)) == "no results yet"


# Reading


def test_the_curve_of_the_run_under_way_grows_with_its_log(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    finished_log(recording, 5)
    recording.train(recording.begin("under way"))
    state = read(recording.paths.journal)
    reader = CurveReader(recording.paths)
    log = recording.paths.run_log
    log.write_text(log_text(400), encoding="utf-8")
    os.utime(log, (recording.at - 60, recording.at - 60))
    current, champion = reader.read(state)
    assert current == Loss(7, ()), "the log of the run before is not this one's"
    assert champion.run == 5 and champion.points[-1][0] == 500
    log.write_text(log_text(20), encoding="utf-8")
    assert reader.read(state)[0].points[-1][0] == 20
    with log.open("a", encoding="utf-8") as file:
        file.write(log_text(40).partition("step 00021")[1] + log_text(40).partition("step 00021")[2])
    assert reader.read(state)[0].points[-1][0] == 40
    reader.close()


def test_between_two_runs_the_last_one_is_shown_and_a_missing_log_is_no_error(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    finished_log(recording, 6)
    current, champion = CurveReader(recording.paths).read(read(recording.paths.journal))
    assert (current.run, current.points[-1][0]) == (6, 500)
    assert champion == Loss(5, [])
    assert read_curve(tmp_path / "nothing") == []
    assert CurveReader(recording.paths).read(State()) == (Loss(0), Loss(0))


# On the screen


async def test_both_charts_are_shown_where_there_is_room_and_one_at_80_by_24(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    finished_log(recording, 5)
    finished_log(recording, 6, top=20.0)
    view = View(name="mar5", state=read(recording.paths.journal), loaded=True)
    screen = ChartsScreen(recording.paths, lambda: view)
    app = Stage(screen)
    results, loss = "#results-plot", "#loss-plot"
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "champion, run 5" in text_of(screen.query_one(loss).lines))  # type: ignore[attr-defined]
        assert "run 6" in text_of(screen.query_one(loss).lines)  # type: ignore[attr-defined]
        assert screen.query_one(results).size.height > 10
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not screen.query_one(loss).display)
        assert "●" in text_of(screen.query_one(results).lines)  # type: ignore[attr-defined]
        await pilot.press("tab")
        await until(pilot, lambda: screen.query_one(loss).display and not screen.query_one(results).display)
        await pilot.press("z")
        await until(pilot, lambda: screen.query_one(loss).display and screen.query_one(results).display)
        await pilot.press("escape")
        await until(pilot, lambda: app.results)


async def test_other_metrics_are_chosen_and_news_are_drawn(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    view = View(name="mar5", state=read(recording.paths.journal), loaded=True)
    screen = ChartsScreen(recording.paths, lambda: view)
    app = Stage(screen)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        plot = screen.query_one("#results-plot")
        before = text_of(plot.lines)  # type: ignore[attr-defined]
        await pilot.press("l")
        assert screen.metric == "peak_vram_mb" and text_of(plot.lines) != before  # type: ignore[attr-defined]
        await pilot.press("h")
        assert screen.metric == "val_bpb" and text_of(plot.lines) == before  # type: ignore[attr-defined]
        recording.experiment("keep", 0.95)
        view.state = read(recording.paths.journal)
        await until(pilot, lambda: "run 7" in screen.query_one("#charts-title").says)  # type: ignore[attr-defined]
        assert text_of(plot.lines) != before  # type: ignore[attr-defined]


async def test_an_empty_session_says_that_there_is_nothing_yet(tmp_path: Path) -> None:
    screen = ChartsScreen(Recording(tmp_path).paths, View)
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "no results yet" in text_of(screen.query_one("#results-plot").lines))  # type: ignore[attr-defined]
        await pilot.press("tab", "l", "o", "z")
        await until(pilot, lambda: "no run.log" in text_of(screen.query_one("#loss-plot").lines))  # type: ignore[attr-defined]


async def test_logs_are_read_in_another_thread_than_the_screens(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    view = View(state=read(recording.paths.journal))
    screen = ChartsScreen(recording.paths, lambda: view)
    threads: set[int] = set()
    reading = screen._reader.read

    def watched(state: State) -> tuple[Loss, Loss]:
        threads.add(threading.get_ident())
        return reading(state)

    screen._reader.read = watched  # type: ignore[method-assign]
    app = Stage(screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: threads)
    assert threading.get_ident() not in threads
