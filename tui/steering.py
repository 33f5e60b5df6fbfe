"""What a steering key comes to now: a command to send, a question to ask first, or a reason why not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.session import lineage
from engine.session.inbox import Seen
from engine.session.inert import inert
from engine.session.state import Experiment, Job, State
from tui.fitting import duration_text, signed
from tui.model import View
from tui.runs import Line


class Order(NamedTuple):
    """A command as it will be sent, and what is said when it is on its way."""

    kind: str
    args: dict[str, str]
    seen: Seen
    said: str


class Question(NamedTuple):
    """Asked before an order is sent. `key` confirms and differs from the key that asked; Enter and Esc cancel.

    `diff_of` names the run whose diff belongs to the question; None for none. `diff_title` is the heading of a diff
    that is no run's.
    """

    title: str
    lines: list[Line]
    key: str
    word: str
    order: Order
    diff_of: int | None = None
    diff_title: str = ""


class No(NamedTuple):
    """It cannot be done, and why."""

    why: str


Answer = Order | Question | No
CONFIRM = "y"


def seen(view: View) -> Seen:
    """What this console's operator sees now."""
    current, champion = view.state.current, view.state.champion
    return Seen(
        run=current.run if current else None,
        start_id=view.engine.start_id if view.engine else "",
        champion=champion.run if champion else None,
    )


def pause_or_resume(view: View) -> Answer:
    """`p`: pause after this experiment, or take that back."""
    if view.state.paused or "pause" in view.asked.values():
        return Order("resume", {}, Seen(), "resuming…")
    said = "pausing after this experiment…" if view.running else "pausing…"
    return Order("pause", {}, Seen(start_id=seen(view).start_id), said)


def stop(view: View) -> Answer:
    """`s`: the engine ends after this experiment."""
    if not view.running:
        return No("no engine is running: there is nothing to stop")
    if view.state.stop:
        return No(f"it is stopping already: {view.state.stop}")
    current = view.state.current
    what = f"after run {current.run}" if current else "now, between two experiments"
    lines: list[Line] = [
        [(f"The engine ends {what}; nothing is lost.", "")],
        [("r starts it again.", "dim")],
    ]
    order = Order("stop", {}, Seen(start_id=seen(view).start_id), f"stopping {what}…")
    return Question("Stop the engine?", lines, CONFIRM, "stop", order)


def abort(view: View) -> Answer:
    """`x`: this experiment ends now."""
    current = view.state.current
    if not view.running:
        return No("no engine is running: there is nothing to abort")
    if view.state.job is not None:
        return _abort_job(view, view.state.job)
    if current is None:
        return No("no experiment is under way")
    if current.abort:
        return No(f"run {current.run} is being aborted already, asked by {current.abort}")
    spent = max(0.0, view.now - current.began_at)
    lines: list[Line] = [
        [(f"run {current.run}  ", "strong"), (inert(current.description or "proposing"), "")],
        [(f"Its {duration_text(spent)} of work are lost; it is logged as a crash, and the loop goes on.", "")],
    ]
    order = Order("abort", {}, Seen(run=current.run), f"aborting run {current.run}…")
    return Question(f"Abort run {current.run}?", lines, CONFIRM, "abort", order)


def _abort_job(view: View, job: Job) -> Answer:
    """`x` while queued work is on: that ends, and no experiment."""
    if job.abort:
        return No(f"the {job.kind} of run {job.run} is being aborted already, asked by {job.abort}")
    spent = duration_text(max(0.0, view.now - job.began_at))
    lines: list[Line] = [[(f"It has been at work for {spent}; no experiment is touched by it.", "")]]
    order = Order("abort", {}, Seen(job=job.command), f"aborting the {job.kind}…")
    return Question(f"Abort the {job.kind} of run {job.run}?", lines, CONFIRM, "abort", order)


def overtaken(question: Question, view: View) -> str:
    """Why there is nothing left to decide in a question that is still on the screen; "" while there is."""
    order, current = question.order, view.state.current
    if order.seen.job:
        over = view.state.job is None or view.state.job.command != order.seen.job
        return "that work has ended by itself: there is nothing to abort" if over else ""
    if order.kind == "abort" and (current is None or current.run != order.seen.run):
        return f"run {order.seen.run} has ended by itself: there is nothing to abort"
    if order.kind in ("abort", "stop") and not view.running:
        return f"the engine is gone: there is nothing to {order.kind}"
    return ""


def revert(view: View) -> Answer:
    """`R`: the champion before the selected kept run comes back; before the present champion where none is selected."""
    state = view.state
    segment, champion = state.segment, state.champion
    if segment is None or champion is None:
        return No("there is no champion yet")
    selected = view.selection
    target = selected if selected is not None and selected.run in segment.line else champion
    try:
        outcome = lineage.revert(state, target.run)
    except lineage.Refused as refused:
        return No(str(refused))
    lines = [
        _names("taken back", target),
        *_withdrawn(state, outcome.withdrawn),
        *_comes_back(state, champion, outcome.champion),
        *_under_way(state, outcome.line),
        [("u undoes it. The commits stay.", "dim")],
    ]
    order = Order("revert", {"run": str(target.run)}, Seen(champion=champion.run), f"reverting run {target.run}…")
    return Question(f"Revert run {target.run}?", lines, CONFIRM, "revert", order, target.run)


def keep(view: View) -> Answer:
    """`K`: the selected run becomes the champion."""
    state, selected, champion = view.state, view.selection, view.state.champion
    if selected is None:
        return No("no run is selected")
    try:
        outcome = lineage.keep(state, selected.run)
    except lineage.Refused as refused:
        return No(str(refused))
    lines: list[Line] = []
    if selected.flags:
        lines.append([("⚑ flagged: ", "warn"), (", ".join(selected.flags), "warn")])
    lines += [*_withdrawn(state, outcome.withdrawn), *_comes_back(state, champion, outcome.champion)]
    lines += _under_way(state, outcome.line)
    lines.append([("u undoes it.", "dim")])
    ground = Seen(champion=champion.run if champion else None)
    order = Order("keep", {"run": str(selected.run)}, ground, f"keeping run {selected.run}…")
    return Question(f"Keep run {selected.run}?", lines, CONFIRM, "keep", order, selected.run)


def undo(view: View) -> Answer:
    """`u`: the last revert or keep is taken back."""
    try:
        outcome = lineage.undo(view.state)
    except lineage.Refused as refused:
        return No(str(refused))
    champion = view.state.champion
    decision = next(one for one in reversed(view.state.decisions) if not one.undone)
    lines: list[Line] = [
        [(f"{decision.kind} {decision.run}", "strong"), (f" by {inert(decision.by)} is taken back", "")],
        *_withdrawn(view.state, outcome.withdrawn),
        *_comes_back(view.state, champion, outcome.champion),
        *_under_way(view.state, outcome.line),
    ]
    order = Order("undo", {}, Seen(champion=champion.run if champion else None), "undoing…")
    return Question("Undo the last decision?", lines, CONFIRM, "undo", order)


def say(view: View, text: str) -> Answer:
    """A message to the researcher."""
    return Order("say", {"text": text}, Seen(), "queued: the next prompt carries it")


def amend(view: View, by: str) -> Order | No:
    """`M`: take back the operator's last message while no prompt has carried it; `args["text"]` is its text."""
    mine = [command for command in view.state.undelivered() if command.by == by]
    if not mine:
        return No("no message of yours is waiting: it was delivered, or there is none")
    last = mine[-1]
    return Order("unsay", {"id": last.id, "text": last.args.get("text", "")}, Seen(), "taken back")


def adopt(view: View, result: str, told: Mapping[str, object]) -> Question:
    """Another member's result as the next experiment; `told` is what `overnight swarm adopt --dry-run` found."""

    def said(name: str) -> str:
        return inert(str(told.get(name) or ""))

    name, metric = said("name"), told.get("metric")
    value = f"{metric:.6f}" if isinstance(metric, float) else "no metric"
    lines: list[Line] = [
        [(f"{'result':<12}", "dim"), (f"{value} ", "strong"), (f"{said('state') or 'unverified'}, by {name}", "")],
        [(f"{'change':<12}", "dim"), (said("description") or "none told", "")],
    ]
    cheats = told.get("cheats")
    found = cheats if isinstance(cheats, list) else []
    lines += [[(f"{'look':<12}", "dim"), (inert(str(cheat)), "warn")] for cheat in found]
    lines.append([("It becomes the next experiment, in the sandbox; your gate decides whether it is kept.", "")])
    if not view.running:
        lines.append([("No engine is running: it waits for the next start.", "warn")])
    order = Order("adopt", {"result": result, "name": name}, Seen(), f"adopting {name}'s result…")
    title, of = f"Adopt {name}'s result {result[:8]}?", f"{name}'s code against the champion"
    return Question(title, lines, CONFIRM, "adopt", order, diff_title=of)


def note(run: int, text: str) -> Order:
    """A note on a run."""
    return Order("note", {"run": str(run), "text": text}, Seen(), f"noted on run {run}")


def _names(what: str, experiment: Experiment, before: str = "") -> Line:
    value = f"  {experiment.metric:.6f}" if experiment.metric is not None else ""
    name = f"{before}run {experiment.run}{value}  "
    return [(f"{what:<12}", "dim"), (name, "strong"), (inert(experiment.description), "")]


def _withdrawn(state: State, runs: tuple[int, ...]) -> list[Line]:
    return [_names("withdrawn", found) for run in runs if (found := state.experiment(run))]


def _under_way(state: State, line: tuple[int, ...]) -> list[Line]:
    """What becomes of the experiment under way when its champion is withdrawn."""
    current = state.current
    if current is None or current.champion is None or current.champion in line:
        return []
    text = f"run {current.run} was begun on run {current.champion}: it finishes and is discarded"
    return [[(f"{'under way':<12}", "dim"), (text, "warn")]]


def _comes_back(state: State, before: Experiment | None, run: int) -> list[Line]:
    champion = state.experiment(run)
    if champion is None:
        return []
    lines = [_names("then", champion, "the champion is ")]
    if before is not None and before.metric is not None and champion.metric is not None:
        lines.append([(" " * 12, ""), (f"{signed(champion.metric - before.metric)} against the champion now", "dim")])
    return lines
