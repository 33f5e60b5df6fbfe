"""What the core asks the shell to do, and what it has to know of the world to decide: plain data."""

import msgspec

from engine.session.settings import Gate, Grow, Limits


class Context(msgspec.Struct, frozen=True):
    """The world at the moment of planning. `new_segment` is the reason for one, or ""; `checks`: the script exists.

    `fallback`: another researcher may step in after `give_up_after` failures in a row; `mends`: how often a crash of
    the simple kind goes back; `limit_pauses`: a reached limit pauses the loop instead of ending the engine;
    `jobs_only`: do the queued work, nothing else, and leave. `grow`: the growth search proposes, by the round gate.
    """

    now: float
    gate: Gate = msgspec.field(default_factory=Gate)
    researcher: str = "search"
    checks: bool = False
    new_segment: str = ""
    fallback: bool = False
    give_up_after: int = 3
    mends: int = 0
    limits: Limits = msgspec.field(default_factory=Limits)
    limit_pauses: bool = False
    jobs_only: bool = False
    grow: Grow | None = None


class OpenSegment(msgspec.Struct, frozen=True):
    """Commit the session's files and pin them: a SegmentOpened follows."""

    reason: str


class Propose(msgspec.Struct, frozen=True):
    """Ask the researcher, or its fallback: ChangeAccepted, ProposalFailed or AttemptFailed follows."""

    run: int
    fallback: bool = False


class Mend(msgspec.Struct, frozen=True):
    """Give the crashed change back to its researcher: ChangeAccepted or MendFailed follows."""

    run: int
    attempt: int


class ApplyChange(msgspec.Struct, frozen=True):
    """Write and commit the accepted change: ChangeCommitted follows."""

    run: int


class RunTrial(msgspec.Struct, frozen=True):
    """Run the benchmark on `commit`'s editable files: TrialBegan now, TrialEnded follows."""

    run: int
    trial: int
    commit: str
    seed: int
    of: str


class RunChecks(msgspec.Struct, frozen=True):
    """Run the checks: ChecksBegan now, ChecksEnded follows."""

    run: int


class RestoreTree(msgspec.Struct, frozen=True):
    """Give the editable files the champion's text, as a revert of `of` when given: TreeSettled follows."""

    champion: int
    of: int | None = None


class Reflect(msgspec.Struct, frozen=True):
    """Tell the researcher what came of it: Learnt follows."""

    run: int


class EditSetting(msgspec.Struct, frozen=True):
    """Carry out an `edit` command: SettingEdited and CommandDone, or CommandRefused, follow."""

    command: str


class Fit(msgspec.Struct, frozen=True):
    """Find the largest configuration that the GPU holds, before the first segment: Fitted follows, or Trouble."""


class PlanRound(msgspec.Struct, frozen=True):
    """List what the growth search tries next on the champion: RoundPlanned follows."""

    number: int


class GrowthOver(msgspec.Struct, frozen=True):
    """The growth search has come to its end, and `reason` says why: a pause where the engine stays, else its end."""

    reason: str


class RunJob(msgspec.Struct, frozen=True):
    """Do the queued work of a command: JobBegan now, JobEnded and CommandDone follow; or CommandRefused alone."""

    command: str


class Wait(msgspec.Struct, frozen=True):
    """Nothing to do until a command comes."""

    why: str


class Stop(msgspec.Struct, frozen=True):
    """Leave in order."""

    reason: str


Effect = (
    OpenSegment
    | Propose
    | Mend
    | ApplyChange
    | RunTrial
    | RunChecks
    | RestoreTree
    | Reflect
    | EditSetting
    | Fit
    | RunJob
    | PlanRound
    | GrowthOver
    | Wait
    | Stop
)
