"""What the text panes say, laid out at any width: GPU, notes, researcher, the table's cells, the footer."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from engine.gpu.samples import GpuProcess, GpuSample, HostSample, Snapshot
from engine.session import events as ev
from engine.session.journal import read
from engine.session.locking import Holder
from engine.session.runlog import Progress
from engine.session.settings import Gate
from engine.session.state import Experiment, State
from tests.tui.recording import Recording
from tui import rows
from tui.actions import BY_ID
from tui.fitting import width_of
from tui.model import View
from tui.panes import footer, gpu, notes, researcher
from tui.panes.lines import paragraph
from tui.runs import Line, line_width, plain

ENGINE = Holder(1, "box", "start-1")
H100 = GpuSample(
    index=0,
    uuid="GPU-1",
    name="NVIDIA H100 80GB HBM3",
    used_mb=46080,
    total_mb=81559,
    util_percent=97,
    power_w=640.0,
    power_limit_w=700.0,
    temp_c=61,
    sm_mhz=1980,
    mem_mhz=2619,
    processes=[GpuProcess(10, "python", 45000, "cookie"), GpuProcess(11, None, None, None)],
)


def text_of(lines: list[Line]) -> str:
    return "\n".join(plain(line) for line in lines)


def test_a_device_is_shown_with_its_processes_told_apart() -> None:
    view = View(
        snapshot=Snapshot(at=1.0, gpus=[H100]), engine=ENGINE, progress=Progress(1, 1.0, 3.0, tok_per_sec=1.4e6)
    )
    text = text_of(gpu.lines(view, {"GPU-1": [10.0, 97.0]}, 60))
    for part in (
        "H100",
        "45.0/79.6 GiB",
        "97%",
        "640/700 W",
        "61 °C",
        "1980/2619 MHz",
        "this run",
        "other",
        "1.4M tok/s",
    ):
        assert part in text, part


def test_the_gpu_of_this_loop_is_told_from_others_and_the_drivers_peak_stands_beside_the_printed_one(
    tmp_path: Path,
) -> None:
    recording = Recording(tmp_path).open()
    recording.write(ev.EngineStarted(at=1.0, pid=1, host="box", start_id="s", device="GPU-1", device_name="H100"))
    run = recording.begin()
    recording.train(run)
    recording.end(run, "keep", 1.0)
    state = read(recording.paths.journal)
    state.experiments[0].metrics = {"peak_vram_mb": 45_056.0, "nvml_peak_mb": 46_080.0}
    other = GpuSample(
        index=1, uuid="GPU-2", name="NVIDIA A100", processes=[GpuProcess(12, "python", 1, "other:1:1")], ecc_errors=3
    )
    part = GpuSample(index=2, uuid="MIG-1", name="H100 MIG", instance=1, parent="GPU-3")
    lost = GpuSample(index=3, uuid="", name="not available: GPU is lost")
    shot = Snapshot(at=1.0, gpus=[H100, other, part, lost])
    text = text_of(gpu.lines(View(state=state, snapshot=shot, engine=ENGINE), {}, 80))
    assert "0 NVIDIA H100 80GB HBM3 this loop" in text
    assert "peak 44.0 (driver 45.0)" in text and text.count("peak") == 1
    assert "a run" in text and "this run" in text and "2:1 H100 MIG" in text
    assert "3 memory errors could not be corrected" in text
    assert text.splitlines()[-1].startswith("3 not available: GPU is lost"), "and no row of N/A for it"


def test_what_the_driver_does_not_tell_is_na_and_trouble_is_said() -> None:
    silent = Snapshot(at=1.0, gpus=[GpuSample(index=0, uuid="x")], trouble="the driver went away: Unknown Error")
    text = text_of(gpu.lines(View(snapshot=silent), {}, 50))
    assert "the driver went away" in text
    assert text.count("N/A") >= 5


def test_without_a_device_the_machine_is_shown_and_it_says_so() -> None:
    host = HostSample(cpu_percent=12.0, load1=0.5, cores=2, mem_used_mb=1024, mem_total_mb=4096)
    text = text_of(gpu.lines(View(snapshot=Snapshot(at=1.0, host=host)), {"cpu": [12.0]}, 50))
    assert "no NVIDIA GPU here" in text
    assert "12% of 2 cores" in text
    assert "1.0/4.0 GiB" in text


def test_notes_lay_out_what_is_known_of_a_run(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0, "baseline")
    recording.experiment("discard", 0.5, "too good", reason="a gain above 0.1", flags=("jump",))
    recording.experiment("crash", None, "too big", reason="out of memory")
    recording.write(ev.Noted(at=recording.tick(), text="look again", by="ann", run=2))
    state = read(recording.paths.journal)
    text = text_of(notes.lines(View(state=state, selected=2), 60))
    for part in (
        "too good",
        "discard ⚑",
        "-0.500000 against run 1",
        "larger than gate.jump",
        "K keeps it",
        "0.03 → 0.03",
    ):
        assert part in text, part
    assert "ann: look again" in text
    assert "CUDA out of memory" in text_of(notes.lines(View(state=state, selected=3), 60))


def test_an_operators_decision_is_in_the_notes_of_all_runs_it_touches(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for metric in (1.0, 0.9, 0.8):
        recording.experiment("keep", metric)
    recording.write(
        ev.Overridden(
            at=recording.tick(), command="1", kind="revert", run=2, line=(1,), statuses={2: "discard", 3: "discard"},
            withdrawn=(3,), by="ann", reason="noise",
        )
    )  # fmt: skip
    state = read(recording.paths.journal)
    for run in (2, 3):
        text = text_of(notes.lines(View(state=state, selected=run), 70))
        assert "by ann: noise (withdrew 3)" in text
        assert "discard (by ann)" in text


def test_the_talk_shows_where_each_message_stands(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open().night(2)
    for id, text in (("1", "first"), ("2", "second"), ("3", "third")):
        recording.write(ev.CommandQueued(at=recording.tick(), id=id, kind="say", args={"text": text}, by="ann"))
    recording.write(ev.CommandDelivered(at=recording.tick(), id="1", run=3))
    recording.write(ev.CommandRefused(at=recording.tick(), id="2", reason="taken back by ann"))
    recording.write(ev.ResearcherSaid(at=recording.tick(), text="understood", run=3))
    text = text_of(researcher.lines(View(state=read(recording.paths.journal)), 70))
    assert text.index("first") < text.index("queued → delivered in run 3") < text.index("second")
    assert "not sent: taken back by ann" in text
    assert "third" in text
    assert "the next prompt carries it" in text
    assert text.rstrip().endswith("researcher (run 3): understood")


def test_states_are_told_by_glyph_and_word(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    for status, metric in (("keep", 1.0), ("keep", 0.9), ("discard", 0.95), ("crash", None), ("checks_failed", 0.8)):
        recording.experiment(status, metric)
    recording.begin("now")
    state = read(recording.paths.journal)
    assert [rows.glyph(state, one) for one in state.experiments] == ["●", "★", "·", "×", "!", "▶"]
    words = ["keep", "keep", "discard", "crash", "checks failed", "running"]
    assert [rows.status_cell(one) for one in state.experiments] == words
    assert rows.cells(state, state.experiments[2])["change"] == ("+0.050000", "dim")


def test_without_an_engine_no_run_is_called_running(tmp_path: Path) -> None:
    recording = Recording(tmp_path).open()
    recording.experiment("keep", 1.0)
    recording.begin("now")
    state = read(recording.paths.journal)
    found = rows.cells(state, state.experiments[1], engine=False)
    assert found["status"] == ("engine gone", "warn")
    assert found["run"][0].startswith("?")
    assert "running" not in text_of(notes.lines(View(state=state, selected=2), 60))


def test_an_unknown_status_is_shown_as_it_is() -> None:
    odd = Experiment(1, 0, None, 0.0, Gate(), status="postponed", phase="ended")
    assert rows.glyph(State(experiments=[odd]), odd) == "?"
    assert rows.status_cell(odd) == "postponed"


def test_narrow_tables_put_columns_behind_and_leave_out_none() -> None:
    narrow = rows.columns("val_bpb", 60)
    beside, behind = (tuple(one.id for one in narrow if one.behind is part) for part in (False, True))
    assert (beside, behind) == (("run", "metric", "change", "status", "description"), ("commit", "vram", "mfu"))
    assert [column.id for column in rows.columns("val_bpb", 120)] == [column.id for column in rows.COLUMNS]


def test_on_the_cpu_there_is_no_mfu() -> None:
    view = View(engine=ENGINE, progress=Progress(1, 1.0, 3.0, tok_per_sec=1.0e4, mfu=0.0))
    assert "MFU N/A" in text_of(gpu.lines(view, {}, 60))


@given(width=st.integers(10, 200))
def test_the_footer_fits_and_leaves_out_what_cannot_be_done(width: int) -> None:
    keys = {id: action.keys for id, action in BY_ID.items()}
    line = footer.line(keys, frozenset({"loop.abort"}), width)
    assert line_width(line) <= width
    assert "abort" not in plain(line)


@given(text=st.text(max_size=200), width=st.integers(8, 80), indent=st.integers(0, 12))
def test_paragraphs_keep_their_width_and_their_words(text: str, width: int, indent: int) -> None:
    lines = paragraph(text, width, "", indent)
    room = max(8, width - indent) + indent
    assert all(width_of(plain(line)) <= room + 1 for line in lines)
    assert "".join(plain(line) for line in lines).replace(" ", "") == "".join(text.splitlines()).replace(" ", "")
