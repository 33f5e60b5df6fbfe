"""Waiting for a device: looks become rarer, each reason is told once, and nothing blocks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.gpu.samples import GpuProcess, GpuSample, Snapshot
from engine.loop.vacancy import FIRST_S, MOST_S, Vacancy
from engine.session import events as ev
from engine.session.cookie import session_id
from engine.session.state import State


class Scene:
    """A device that changes, a clock that is set, and a record that keeps what is told."""

    def __init__(self, root: Path) -> None:
        self.now, self.used, self.looks = 0.0, 400, 0
        self.processes: list[GpuProcess] = []
        self.told: list[ev.AnyEvent] = []
        self.state = State()
        self.session = session_id(root)
        record: Any = SimpleNamespace(paths=SimpleNamespace(root=root), write=self.write, state=self.state)
        sampler: Any = self
        self.vacancy = Vacancy(record, "GPU-1", sampler, lambda: self.now)

    def write(self, *events: ev.AnyEvent) -> None:
        self.told.extend(events)

    def sample(self) -> Snapshot:
        self.looks += 1
        gpu = GpuSample(index=0, uuid="GPU-1", used_mb=self.used, total_mb=80_000, processes=list(self.processes))
        return Snapshot(at=self.now, gpus=[gpu])

    def wait(self, seconds: float) -> bool:
        """Ask as the engine does, five times a second; whether it became free."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.2
            if self.vacancy.free():
                return True
        return False


def left(scene: Scene) -> GpuProcess:
    return GpuProcess(2**22 + 3, "python", 20_000, f"{scene.session}:7:1")


def test_a_device_that_is_given_back_in_a_moment_is_not_worth_a_word(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.processes = [left(scene)]
    assert not scene.wait(2.0)
    scene.processes = []
    assert scene.wait(2.0) and scene.told == []


def test_a_long_wait_is_told_once_and_looked_at_ever_more_rarely(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.processes = [left(scene)]
    assert not scene.wait(600.0)
    (delayed,) = scene.told
    assert isinstance(delayed, ev.Delayed) and delayed.trouble
    assert "left by run 7 of this session" in delayed.text and "waits until it is free" in delayed.text
    assert scene.looks < 10 + 600 / MOST_S, "with backoff"
    scene.processes = []
    assert scene.wait(MOST_S + 1)


def test_another_holder_is_told_anew_and_the_backoff_begins_again_after_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.vacancy.free()
    for pid in (2**22 + 4, 2**22 + 5):
        scene.used, scene.processes = 70_000, [GpuProcess(pid, "python", 69_600)]
        assert not scene.wait(2 * MOST_S)
    assert [str(pid) in str(event) for event, pid in zip(scene.told, (2**22 + 4, 2**22 + 5), strict=True)] == [True] * 2
    scene.used, scene.processes = 400, []
    assert scene.wait(MOST_S + 1)
    scene.used, scene.now = 70_000, scene.now + 1
    assert not scene.vacancy.free()
    looks = scene.looks
    scene.now += FIRST_S
    scene.vacancy.free()
    assert scene.looks == looks + 1


def test_a_run_that_fits_beside_others_starts_and_says_so_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    metrics = {"nvml_peak_mb": 30_000.0}
    scene.state.experiments = [SimpleNamespace(metrics=metrics)]  # type: ignore[list-item]
    assert scene.vacancy.free()
    scene.used, scene.processes = 20_400, [GpuProcess(2**22 + 6, "python", 20_000)]
    assert scene.vacancy.free() and scene.vacancy.free()
    (trouble,) = scene.told
    assert isinstance(trouble, ev.Trouble) and "fits beside it, and starts" in trouble.text


def test_on_the_cpu_it_is_always_free_and_nobody_is_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    record: Any = SimpleNamespace(paths=SimpleNamespace(root=tmp_path), write=scene.write, state=scene.state)
    sampler: Any = scene
    vacancy = Vacancy(record, "", sampler)
    vacancy.tell_others()
    assert vacancy.free() and scene.looks == 0
