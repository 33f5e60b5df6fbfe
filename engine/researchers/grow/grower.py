"""The researcher itself: turns a round's planned candidate into a change, and tells what it was worth."""

import math
from pathlib import Path

from engine.researchers.base import Brief, Exhausted, Proposal
from engine.researchers.grow.space import space
from engine.researchers.search.sources import arrows
from engine.session import growing
from engine.session.state import Experiment


class Grower:
    """Proposes what its round's plan says (see engine.loop.rounds): nothing is drawn, and nothing remembered."""

    name = "grow"

    def __init__(self, session: Path) -> None:
        self._session = session

    def propose(self, brief: Brief) -> Proposal:
        """The candidate's change. Errors: Exhausted without one, ResearcherFailed."""
        answers = {message.id: "read; the growth search follows its plan" for message in brief.messages}
        planned = brief.candidate
        if planned is None:
            raise Exhausted("this experiment belongs to no round of the growth search", answers)
        files, params = space(brief.files, brief.settings.grow, self._session).changed(planned.change)
        params = {name: pair for name, pair in params.items() if pair[0] != pair[1]}
        base = growing.measured(brief.champion)
        why = f"its score rises by more per {brief.settings.grow.cost} than any other step's"
        return Proposal(
            description=f"grow {planned.key}",
            files=files,
            asi={"hypothesis": why, "arch_change": arrows(params)}
            | ({"from_score": f"{base.score:.6f}"} if base else {}),
            params=params,
            answers=answers,
        )

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        """Δscore, Δcost and efficiency against the round's baseline, and how far apart its seeds are."""
        base, found = growing.measured(brief.champion), growing.measured(experiment)
        if not experiment.candidate or base is None or found is None:
            return {"result": f"{experiment.status}: {experiment.reason}"}
        cost = brief.growth.cost if brief.growth else brief.settings.grow.cost
        gained, paid = found.score - base.score, found.cost(cost) - base.cost(cost)
        worth = growing.efficiency(gained, paid)
        return {
            "result": f"score {found.score:.6f} ({gained:+.6f}) for {paid:+.6g} of {cost}",
            "score": f"{found.score:.9f}",
            "delta_score": f"{gained:.9f}",
            "delta_cost": f"{paid:.6g}",
            "efficiency": "inf" if math.isinf(worth) else f"{worth:.6g}",
            "seed_spread": f"{found.spread:.9f}",
        }

    def close(self) -> None:
        """Nothing is held between calls."""
