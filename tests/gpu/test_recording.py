"""A recording's logs: fewer progress lines, the same words, the same end."""

from __future__ import annotations

from engine.session.runlog import last_progress, parse_summary
from tests.gpu.recording import EVERY, thinned, without_serials

STEP = "step {0:05d} ({1:.1f}%) | loss: 2.5 | lrm: 1.00 | dt: 376ms | tok/sec: 1,394 | mfu: 39.8% | epoch: 1"


def test_one_progress_line_in_so_many_is_kept_and_the_last_one_and_all_that_is_said() -> None:
    steps = [STEP.format(step, step / 10) for step in range(1000)]
    log = "Shape(depth=2)\n" + "\r".join(steps) + "\r\n---\nval_bpb:    0.9979\ndepth:   2\n"
    short = thinned(log)
    assert short.startswith("Shape(depth=2)\n" + steps[0] + "\r" + steps[EVERY] + "\r")
    assert short.endswith(steps[-1] + "\r\n---\nval_bpb:    0.9979\ndepth:   2\n")
    assert short.count("\r") == 1000 // EVERY + 1
    assert last_progress(short) == last_progress(log) and parse_summary(short) == parse_summary(log)


def test_a_log_without_progress_lines_stays_as_it_is() -> None:
    assert thinned("one\ntwo\r\n\nthree") == "one\ntwo\r\n\nthree"


def test_serials_of_gpus_are_replaced_and_the_sessions_own_stays_known() -> None:
    own, other = "GPU-04cd4a4e-2499-bed7-af3e-2abb7e6f3701", "GPU-00cd4a4e-2499-bed7-af3e-2abb7e6f3702"
    text = without_serials(f"{other} {own} {other}", own)
    assert [part[-2:] for part in text.split()] == ["01", "00", "01"] and own[4:12] not in text
