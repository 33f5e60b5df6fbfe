"""The gates: which trial an experiment needs next, or its verdict. Pure; all they know is the state."""

from statistics import fmean, stdev

import msgspec

from engine.loop.judgement import Result, Verdict, impossible, judge
from engine.session.flags import CHAMPION_FAILED, GPU_TROUBLE, explain
from engine.session.state import Experiment, Segment, State, Trial, gain


class NextTrial(msgspec.Struct, frozen=True):
    """The trial to run now: `of` "candidate" or "champion"."""

    of: str
    commit: str
    seed: int


def next_step(state: State, experiment: Experiment) -> NextTrial | Verdict:
    """What the experiment's gate wants, given its ended trials. The commit exists and no trial is running."""
    segment = state.segments[-1]
    mine = (trial for trial in experiment.trials if trial.of == "candidate" and trial.commit == experiment.commit)
    first = next(mine, None)  # a change that was mended is another commit: its crashed trials do not count
    if first is None:
        return NextTrial("candidate", experiment.commit, segment.run.seed)
    failed = failure(first)
    if failed is not None:
        return blame(state, experiment, first.cause, failed)
    assert first.metric is not None
    result = Result(first.metric, first.metrics, first.flags, experiment.net_lines)
    base = state.experiment(experiment.champion or 0)
    unbelievable = impossible(result, segment.metric, base.metric if base else None, experiment.gate.jump)
    if experiment.checks == "failed":
        return Verdict("checks_failed", f"the checks failed: {experiment.checks_detail or 'no output'}", unbelievable)
    if experiment.is_baseline:
        return _baseline(result, segment)
    champion = state.champion
    if champion is None or champion.run != experiment.champion:
        why = "the champion it was tried on was withdrawn while it ran"
        return Verdict("discard", why, ("base_withdrawn", *unbelievable))
    assert champion.metric is not None
    standing = Result(champion.metric, champion.metrics)
    metrics = [e.metric for run in segment.line if (e := state.experiment(run)) and e.metric is not None]
    best = (min if segment.metric.direction == "lower" else max)(metrics)
    verdict = judge(result, standing, segment.metric, experiment.gate, best)
    if verdict.status != "keep" or experiment.gate.kind == "greedy":
        return verdict
    return _confirm(state, experiment, champion, verdict)


def _baseline(result: Result, segment: Segment) -> Verdict:
    flags = impossible(result, segment.metric, None, 0)
    if flags:
        return Verdict("crash", f"the baseline cannot be believed: {explain(flags)}", flags)
    return Verdict("keep", "the baseline of this segment")


def failure(trial: Trial) -> Verdict | None:
    """The verdict of a trial that did not succeed."""
    if trial.outcome == "ok":
        return None
    flags = (trial.outcome, *trial.flags) if trial.outcome in ("aborted", "interrupted") else trial.flags
    if trial.cause in BROKEN or trial.cause in CROWDED:
        flags = (GPU_TROUBLE, *flags)
    said = trial.detail or trial.cause or trial.outcome
    return Verdict("crash", said, flags)


BROKEN = frozenset({"gpu_ecc", "gpu_lost", "gpu_driver"})
"""Causes that no change brings about and every further run would meet: the loop pauses."""
SELDOM = frozenset({"no_gpu", "gpu_arch", "gpu_library", "disk_full", "not_started"})
"""Causes that a change can bring about, but seldom does: the champion is run at once, and the night not spent on it."""
CROWDED = frozenset({"oom_others", "gpu_busy"})
"""Others were in the way: the next run waits until the device is free."""
CRASHES = 5
"""After so many crashes in a row the champion is run, and again after as many more."""


def crashes_in_row(state: State) -> int:
    """Trials that failed by themselves in the newest experiments, without a result between them."""
    count = 0
    for experiment in reversed(state.of_segment()):
        if not experiment.status or {"no_change", GPU_TROUBLE} & set(experiment.flags):
            continue
        if experiment.status != "crash" or {"aborted", "interrupted"} & set(experiment.flags):
            break
        count += 1
    return count


def blame(
    state: State, experiment: Experiment, cause: str, failed: Verdict, grave: bool = False
) -> NextTrial | Verdict:
    """The verdict of a crash; at every fifth in a row, at one that a change seldom brings about, and at one that is
    `grave`, only once the champion has shown whether it still runs."""
    champion, segment = state.champion, state.segments[-1]
    due = grave or cause in SELDOM or (crashes_in_row(state) + 1) % CRASHES == 0
    if not due or champion is None or champion.run != experiment.champion or failed.flags:
        return failed
    trial = next((t for t in experiment.trials if t.of == "champion"), None)
    if trial is None:
        return NextTrial("champion", champion.commit, segment.run.seed)
    if trial.outcome == "ok":
        return failed
    said = trial.detail or trial.cause or trial.outcome
    aborted = trial.outcome in ("aborted", "interrupted")
    return Verdict("crash", said, (trial.outcome,) if aborted else (CHAMPION_FAILED,))


def pair_seed(segment: Segment, run: int, pair: int) -> int:
    """The fresh seed of a pair (from 0): never the segment's own, and never another run's or pair's.

    Cantor's pairing function gives each (run, pair) a number of its own.
    """
    return segment.run.seed + 1_000_003 + (run + pair) * (run + pair + 1) // 2 + pair


def _confirm(state: State, experiment: Experiment, champion: Experiment, would: Verdict) -> NextTrial | Verdict:
    """Re-run a would-be keep in pairs with the champion, under fresh seeds; the mean gain must exceed its error.

    Paired comparison removes what the seed does to both; see any text on paired tests for the standard error
    s/√n of n paired differences.
    """
    segment, gate = state.segments[-1], experiment.gate
    gains: list[float] = []
    for pair in range(gate.pairs):
        seed = pair_seed(segment, experiment.run, pair)
        metrics: dict[str, float] = {}
        for of, commit in (("champion", champion.commit), ("candidate", experiment.commit)):
            trial = next((t for t in experiment.trials if t.seed == seed and t.of == of), None)
            if trial is None:
                return NextTrial(of, commit, seed)
            if trial.outcome in ("aborted", "interrupted"):
                return Verdict("crash", trial.detail or trial.outcome, (trial.outcome, "unconfirmed"))
            if trial.outcome != "ok" or trial.metric is None:
                return Verdict("discard", f"not confirmed: the {of}'s trial with seed {seed} failed", ("unconfirmed",))
            unbelievable = impossible(Result(trial.metric, {}, trial.flags), segment.metric, None, 0)
            if unbelievable:
                told = f"not confirmed: the {of}'s trial with seed {seed} is not believed: {explain(unbelievable)}"
                return Verdict("discard", told, ("unconfirmed", *(unbelievable if of == "candidate" else ())))
            metrics[of] = trial.metric
        gains.append(gain(metrics["candidate"], metrics["champion"], segment.metric.direction))
    mean = fmean(gains)
    error = stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    seen = f"{len(gains)} pairs under fresh seeds: mean gain {mean:+.6f}, standard error {error:.6f}"
    lines = max(experiment.net_lines, 0)
    if experiment.net_lines < 0 and abs(mean) <= max(gate.equal_within, error):
        return Verdict("keep", f"{would.reason}; {seen}, and simpler")
    if mean > max(gate.equal_within, error, gate.gain_per_line * lines):
        return Verdict("keep", f"{would.reason}; confirmed by {seen}")
    return Verdict("discard", f"not confirmed by {seen}", ("unconfirmed",))
