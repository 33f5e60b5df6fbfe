"""How a verb fails: its exit code, and which errors of other rooms are an operator's to mend."""

DONE, FAILED, USAGE, NO_SESSION, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130


class VerbError(Exception):
    """A verb cannot do what was asked; the message is the whole text, `code` the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Usage(VerbError):
    """The command line itself is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(message, USAGE)


class Refused(VerbError):
    """Understood, and not done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, REFUSED)


# By name, so that telling an error apart loads none of the rooms that might have raised it.
_KNOWN = {
    "engine.session.paths.NoSession": NO_SESSION,
    "engine.session.journal.JournalError": FAILED,
    "engine.session.settings.SettingsError": REFUSED,
    "engine.session.growthread.GrowthLogError": REFUSED,
    "engine.session.lineage.Refused": REFUSED,
    "engine.session.locking.Held": REFUSED,
    "engine.loop.main.LaunchRefused": FAILED,
    "engine.work.plumbing.GitTrouble": FAILED,
    "engine.work.creation.CreationError": REFUSED,
    "engine.work.preparation.PreparationError": FAILED,
    "engine.work.tiers.TierError": USAGE,
    "engine.reports.writing.JournalTrouble": REFUSED,
    "engine.swarm.api.Unreachable": FAILED,
    "engine.swarm.api.SwarmError": REFUSED,
}


def code_of(error: BaseException) -> int | None:
    """The exit code for an error whose message is meant for the operator; None for a defect of ours."""
    if isinstance(error, VerbError):
        return error.code
    for kind in type(error).__mro__:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in _KNOWN:
            own = getattr(error, "code", None)
            return own if isinstance(own, int) else _KNOWN[name]
    return FAILED if isinstance(error, OSError) else None
