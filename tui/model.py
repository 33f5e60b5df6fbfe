"""What the console knows, and what it makes of it: the facts that the panes show. Pure; no Textual, no disk.

A `View` holds the folded state beside what only a watcher knows (who holds the lock, the run log's last progress, the
machine's sample). The functions below turn it into words and numbers; the panes only paint them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from engine.session import stats
from engine.session.locking import Holder
from engine.session.standing import pace, session_confidence, total_gain
from engine.session.state import Experiment, State, Trial, gain

if TYPE_CHECKING:
    from engine.gpu.samples import Snapshot
    from engine.session.runlog import Progress


class View(msgspec.Struct):
    """All that is shown. `now` in unix seconds; `wire` in bytes a second; `selected` is a run."""

    name: str = ""
    branch: str = ""
    state: State = msgspec.field(default_factory=State)
    engine: Holder | None = None
    loaded: bool = False
    trouble: str = ""
    progress: Progress | None = None
    saying: list[str] = msgspec.field(default_factory=list)
    snapshot: Snapshot | None = None
    selected: int | None = None
    asked: dict[str, str] = msgspec.field(default_factory=dict)
    """Commands that this console sent and the journal does not show yet: id → kind."""
    starting: bool = False
    now: float = 0.0
    wire: float = 0.0
    slow: bool = False
    read_only: bool = False
    recorded: bool = False
    """The session came without its repository; `snapshot` is of the selected run, not of this machine."""

    @property
    def selection(self) -> Experiment | None:
        """The selected experiment."""
        return self.state.experiment(self.selected) if self.selected is not None else None

    @property
    def running(self) -> bool:
        """Whether an engine has the session."""
        return self.engine is not None


def farewell(view: View) -> str:
    """What the terminal says once the console is left."""
    if view.running:
        return f"detached; the loop goes on: overnight attach {view.name}"
    if view.recorded:
        return f"left the recording {view.name}"
    return f"left; no engine is running in {view.name}: overnight start {view.name}"


Tone = Literal["good", "running", "warn", "bad", "dim"]


class Activity(NamedTuple):
    """What the session is doing: a glyph, words, a tone, and where it is known the share done and seconds left."""

    glyph: str
    words: str
    tone: Tone
    share: float | None = None
    left_s: float | None = None
    since: float = 0.0
    """When this began, in unix seconds; 0 where that says nothing."""
    then: str = ""
    """What the next engine will do about it."""


def current_trial(state: State) -> Trial | None:
    """The trial that is running."""
    current = state.current
    last = current.trials[-1] if current and current.trials else None
    return last if last is not None and not last.outcome else None


def thinking(state: State) -> str:
    """What the researcher is asked for now: "proposing" or "mending"; "" where nobody is asked."""
    current = state.current
    if current is None or current.is_baseline:
        return ""
    if current.phase == "proposing":
        return "proposing"
    last = current.trials[-1] if current.trials else None
    mending = current.phase == "committed" and last is not None and last.outcome == "crash" and not current.mend_failed
    return "mending" if mending else ""


def activity(view: View) -> Activity:
    """The session's state in words, what was asked for included ("pausing…" until it is paused)."""
    if view.trouble:
        read = view.state.events
        shown = f" from line {read + 1:,} on; what came before it is shown" if read else ""
        return Activity("✖", f"the journal cannot be read{shown}", "bad")
    if not view.loaded:
        return Activity("…", "reading the journal", "dim")
    if not view.running:
        return _without_engine(view)
    doing = _doing(view)
    wish = _wish(view)
    if wish:
        return doing._replace(words=f"{doing.words} · {wish}", tone="warn")
    return doing


def _without_engine(view: View) -> Activity:
    engine = view.state.engine
    then = "‖ will start paused" if view.state.paused else ""
    if view.starting:
        return Activity("…", "starting the engine", "running")
    if engine is None:
        return Activity("■", "never started", "dim", then=then)
    if not engine.stopped_at:
        return Activity("✖", "engine gone", "bad", since=view.state.engine_at, then=then)
    words = f"stopped: {engine.stop_reason}" if engine.stop_reason else "stopped"
    tone: Tone = "bad" if engine.failed else "dim"
    return Activity("✖" if engine.failed else "■", words, tone, since=engine.stopped_at, then=then)


def _doing(view: View) -> Activity:
    state = view.state
    current = state.current
    if state.job is not None:
        aborting = ", aborting…" if state.job.abort else ""
        words = f"{state.job.kind} of run {state.job.run}{aborting}"
        return Activity("▶", words, "running", since=state.job.began_at)
    if current is None:
        if state.paused:
            why = f" ({state.pause_reason})" if state.pause_reason else ""
            return Activity("‖", f"paused by {state.pause_by or 'the engine'}{why}", "warn")
        return Activity("…", state.delayed, "warn") if state.delayed else Activity("▶", "getting ready", "running")
    if state.delayed:
        return Activity("…", state.delayed, "warn")
    if current.phase == "proposing" and not current.is_baseline:
        tries = f", try {len(current.refusals) + 1}" if current.refusals else ""
        return Activity("▶", f"proposing{tries}", "running", since=current.began_at)
    trial = current_trial(state)
    if trial is not None:
        return _training(view, current, trial)
    if current.checks == "running":
        return Activity("▶", "running the checks", "running")
    if current.phase == "accepted":
        return Activity("▶", "committing", "running")
    if current.phase in ("decided", "settled", "learnt"):
        return Activity("▶", f"decided: {status_words(current)}; writing it down", "running")
    return Activity("▶", "deciding" if current.trials else "getting ready", "running")


def _training(view: View, current: Experiment, trial: Trial) -> Activity:
    what = "training the champion again" if trial.of == "champion" else "training"
    if len(current.trials) > 1:
        what += f" (trial {len(current.trials)})"
    progress = view.progress
    if progress is None:
        return Activity("▶", f"{what}: starting", "running", since=trial.began_at)
    percent = min(100.0, max(0.0, progress.percent))
    if percent >= 100.0:
        return Activity("▶", "evaluating", "running", share=1.0, since=trial.began_at)
    return Activity("▶", f"{what} {percent:.0f}%", "running", percent / 100, progress.remaining_s, trial.began_at)


def _wish(view: View) -> str:
    """What was asked for and has not taken effect."""
    state = view.state
    current = state.current
    kinds = set(view.asked.values())
    if (current is not None and current.abort and current.phase != "ended") or "abort" in kinds:
        return "aborting…"
    if state.stop or "stop" in kinds:
        return "stopping after this experiment…"
    if "resume" in kinds:
        return "resuming…"
    if (state.paused and current is not None) or "pause" in kinds:
        return "pausing after this experiment…"
    return ""


_WORDS = {"keep": "keep", "discard": "discard", "crash": "crash", "checks_failed": "checks failed"}


def status_words(experiment: Experiment) -> str:
    """The status that holds, in words; an unknown one as it is."""
    return _WORDS.get(experiment.status, experiment.status)


def vram_mb(metrics: dict[str, float]) -> float | None:
    """Peak VRAM in MB under either name that benchmarks give it."""
    for name in ("peak_vram_mb", "peak_memory_mb"):
        if name in metrics:
            return metrics[name]
    return None


def mfu(metrics: dict[str, float]) -> float | None:
    """Model FLOPs utilisation in percent."""
    return metrics.get("mfu_percent", metrics.get("mfu"))


def step_gain(state: State, experiment: Experiment) -> float | None:
    """How much better it is than the champion it was tried on (positive is better); None without both metrics."""
    base = state.experiment(experiment.champion) if experiment.champion is not None else None
    if base is None or base.metric is None or experiment.metric is None:
        return None
    return gain(experiment.metric, base.metric, direction_of(state, experiment))


def direction_of(state: State, experiment: Experiment) -> str:
    """Which way is better in the experiment's segment."""
    for segment in reversed(state.segments):
        if segment.number == experiment.segment:
            return segment.metric.direction
    return "lower"


class Best(NamedTuple):
    """The champion against the baseline: metric, gain in the metric's unit and as a share of the baseline."""

    run: int
    metric: float
    gain: float
    share: float | None


def best(state: State) -> Best | None:
    """The open segment's best; None until a baseline is measured."""
    champion, baseline, segment = state.champion, state.baseline, state.segment
    if champion is None or champion.metric is None or segment is None:
        return None
    start = baseline.metric if baseline is not None and baseline.metric is not None else champion.metric
    better = total_gain(state) or 0.0
    return Best(champion.run, champion.metric, better, better / abs(start) if start else None)


def confidence(state: State) -> tuple[float | None, str]:
    """The segment's confidence now, and what it means."""
    figure = session_confidence(state)
    return figure, stats.meaning(figure)


def rate(state: State) -> float | None:
    """Experiments an hour while the loop works; None before one has ended."""
    found = pace(state)
    return found.per_hour if found else None


def running_s(view: View) -> float | None:
    """Seconds that the engine has been, or was, at work; None where it never was."""
    engine = view.state.engine
    if engine is None:
        return None
    end = view.now if view.running else (engine.stopped_at or view.state.engine_at)
    return max(0.0, end - engine.started_at)
