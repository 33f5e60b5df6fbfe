"""Which researcher a session has: its settings' kind, made into the thing that proposes."""

from pathlib import Path

from engine.researchers.base import Researcher, ResearcherFailed
from engine.session.settings import Settings

SUPPORTED = ("search", "agent", "llm", "grow")


def make(kind: str, settings: Settings, session: Path) -> Researcher:
    """The researcher of that kind for the session at `session`. Errors: ResearcherFailed for a kind not there."""
    if kind == "search":
        from engine.researchers.search.searcher import Search

        return Search(session, settings.run.seed)
    if kind == "agent":
        from engine.researchers.agent.agent import Agent

        return Agent(session, settings)
    if kind == "llm":
        from engine.researchers.llm.model import Model

        return Model(session, settings)
    if kind == "grow":
        from engine.researchers.grow.grower import Grower

        return Grower(session)
    raise ResearcherFailed(
        f"researcher.kind is {kind!r}, which is not there; supported: {', '.join(SUPPORTED)}. "
        f"Set it: overnight edit researcher.kind {SUPPORTED[0]}"
    )
