"""What the growth search's events do to the state."""

from engine.session import events as ev
from engine.session.state import MAX_ITERS, GrowthRound, State


class FoldError(Exception):
    """An event that cannot follow what came before it: the journal was not written by one engine at a time."""


def planned(event: ev.RoundPlanned, state: State) -> None:
    """A round begins."""
    state.rounds.append(
        GrowthRound(
            number=event.round,
            segment=event.segment,
            base=event.base,
            cost=event.cost,
            seeds=event.seeds,
            at=event.at,
            budget=event.budget,
            candidates=event.candidates,
            config=event.config,
            mark=event.mark,
        )
    )


def decided(event: ev.RoundDecided, state: State) -> None:
    """It is over. Errors: FoldError."""
    if not state.rounds or state.rounds[-1].number != event.round:
        raise FoldError(f"the journal speaks of the end of round {event.round} before it began")
    found = state.rounds[-1]
    found.decided_at, found.chosen, found.reason = event.at, event.chosen, event.reason
    found.length, found.stop = event.budget, event.stop
    state.length = event.budget or state.length


def begun(event: ev.GrowthBegun, state: State) -> None:
    """Rounds of elsewhere come before its own."""
    state.earlier_rounds, state.rounds = event.rounds, []


def overridden(event: ev.Overridden, state: State) -> None:
    """What a person takes back of the last round's choice: it chooses again, without that one."""
    for found in state.rounds[-1:]:
        if found.chosen is not None and event.statuses.get(found.chosen, "keep") != "keep":
            found.refused = (*found.refused, found.chosen)
            found.chosen, found.decided_at, found.reason = None, 0.0, ""


def edited(event: ev.SettingEdited, state: State) -> None:
    """The training length, set by hand."""
    if event.key == MAX_ITERS:
        state.length = event.value
