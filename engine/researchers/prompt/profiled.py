"""The champion's newest profile, for a researcher that is to be told where the time goes."""

from engine.researchers.base import Brief
from engine.session import profiles
from engine.session.paths import SessionPaths


def profiled(brief: Brief) -> str:
    """The table; "" where researcher.profile is off or nobody profiled the champion."""
    if not brief.settings.researcher.profile:
        return ""
    found = profiles.newest(SessionPaths(brief.session).jobs, brief.champion.run)
    return "" if found is None else profiles.table(found)
