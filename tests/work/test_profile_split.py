"""Where a step's time goes, from traces whose answer is known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.work.jobs.profile_split import BACKWARD, DATA, PHASES, split

Event = dict[str, Any]


def mark(name: str, start: float, end: float, tid: int = 1) -> Event:
    return {"ph": "X", "cat": "user_annotation", "name": name, "ts": start, "dur": end - start, "tid": tid}


def kernel(start: float, end: float, launched: float, correlation: int, name: str = "gemm") -> list[Event]:
    args = {"correlation": correlation}
    cat = "gpu_memcpy" if name.startswith("Memcpy") else "kernel"
    return [
        {
            "ph": "X",
            "cat": "cuda_runtime",
            "name": "cudaLaunchKernel",
            "ts": launched,
            "dur": 1,
            "tid": 9,
            "args": args,
        },
        {"ph": "X", "cat": cat, "name": name, "ts": start, "dur": end - start, "tid": 7, "args": args},
    ]


STEP = [
    mark("ProfilerStep#4", 0, 1000),
    mark(DATA, 0, 100),
    mark(BACKWARD, 400, 800),
    mark("Optimizer.step#AdamW.step", 800, 950),
]


def test_on_the_cpu_the_main_threads_time_is_split_and_adds_up() -> None:
    found = split([*STEP, mark(BACKWARD, 0, 1000, tid=2), {"ph": "i", "name": "instant", "ts": 5}])
    assert found is not None and not found.on_gpu and found.steps == 1 and found.step_ms == 1.0
    assert found.phases == pytest.approx(
        {"data": 0.1, "forward": 0.3, "backward": 0.4, "optimizer": 0.15, "gaps": 0.05}
    )
    assert found.wait_ms == pytest.approx(0.1)


def test_accumulated_gradients_are_several_forwards_and_backwards_of_one_step() -> None:
    again = [mark(DATA, 400, 500), mark(BACKWARD, 600, 700), mark("Optimizer.step#Muon.step", 750, 900)]
    found = split([mark("ProfilerStep#4", 0, 1000), mark(DATA, 0, 100), mark(BACKWARD, 200, 400), *again])
    assert found is not None
    assert found.phases == pytest.approx(
        {"data": 0.2, "forward": 0.2, "backward": 0.3, "optimizer": 0.15, "gaps": 0.15}
    )


def test_an_optimizer_that_leaves_no_range_is_what_follows_the_backward_pass() -> None:
    two = [mark("ProfilerStep#5", 1000, 2000), mark(DATA, 1000, 1100), mark(BACKWARD, 1400, 1800)]
    found = split([*STEP[:3], *two])
    assert found is not None and found.steps == 2
    assert found.phases["optimizer"] == pytest.approx(0.2) and found.phases["gaps"] == pytest.approx(0.0)


def test_on_a_gpu_kernels_count_for_the_phase_that_launched_them_and_idle_time_is_a_gap() -> None:
    kernels = [
        *kernel(10, 60, launched=20, correlation=1, name="Memcpy HtoD (Pinned -> Device)"),
        *kernel(150, 350, launched=200, correlation=2),
        *kernel(420, 820, launched=500, correlation=3),  # launched by the autograd engine's own thread
        *kernel(820, 900, launched=850, correlation=4),
        *kernel(880, 910, launched=860, correlation=5),  # beside the one before
        *kernel(950, 960, launched=990, correlation=6),
    ]
    found = split([*STEP, *kernels])
    assert found is not None and found.on_gpu
    wanted = {"data": 0.05, "forward": 0.2, "backward": 0.4, "optimizer": 0.09, "rest": 0.01, "gaps": 0.25}
    assert found.phases == pytest.approx(wanted)
    assert found.wait_ms == pytest.approx(0.1), "the host's own wait for its data"


def test_a_trace_without_steps_has_no_split() -> None:
    assert split([mark(DATA, 0, 1)]) is None and split([]) is None


times = st.integers(0, 1000)
ranges = st.tuples(st.sampled_from([DATA, BACKWARD, "Optimizer.step#A.step", "other"]), times, times, st.integers(1, 2))


@given(st.lists(ranges, max_size=12), st.lists(st.tuples(times, times, times), max_size=12))
def test_whatever_overlaps_the_phases_add_up_to_the_step(
    found_ranges: list[tuple[str, int, int, int]], kernels: list[tuple[int, int, int]]
) -> None:
    events = [mark("ProfilerStep#1", 100, 900)]
    events += [mark(name, min(a, b), max(a, b), tid) for name, a, b, tid in found_ranges]
    for number, (a, b, launched) in enumerate(kernels):
        events += kernel(min(a, b), max(a, b), launched, number)
    found = split(events)
    assert found is not None
    assert sum(found.phases.values()) == pytest.approx(found.step_ms) == 0.8
    assert set(PHASES) < set(found.phases) and min(found.phases.values()) >= 0
