"""The journal's events: everything that ever happened to a session, one record each.

The engine is the only writer. `state = fold(journal)`; nothing that matters is kept anywhere else. Times (`at`) are
unix seconds. New fields get defaults so that an old journal is read for ever.
"""

from functools import cache
from typing import Any

import msgspec

from engine.session.event import Event as Event
from engine.session.growthevents import GrowthBegun as GrowthBegun
from engine.session.growthevents import Planned as Planned
from engine.session.growthevents import RoundDecided as RoundDecided
from engine.session.growthevents import RoundPlanned as RoundPlanned
from engine.session.settings import Gate, Metric


class EngineStarted(Event, frozen=True, tag="engine_started"):
    """An engine took the session. `experiments`, `hours`, `cost_usd` are the limits it runs under, 0 = none."""

    pid: int
    host: str
    start_id: str
    version: str = ""
    experiments: int = 0
    hours: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    device: str = ""
    """The UUID of the GPU that it holds, "" = it trains on the CPU; `device_name` is its model."""
    device_name: str = ""
    jobs_only: bool = False
    """It does the queued work and leaves; no experiment goes on."""


class EngineStopped(Event, frozen=True, tag="engine_stopped"):
    """The engine left in order. `reason` is a sentence; `failed` when it could not go on."""

    reason: str
    failed: bool = False


class SegmentOpened(Event, frozen=True, tag="segment_opened"):
    """Baseline, best and confidence start over. `pinned` maps a file to the sha256 of its text."""

    segment: int
    name: str
    metric: Metric
    command: str
    timeout_s: float
    checks_timeout_s: float
    editable: tuple[str, ...]
    pinned: dict[str, str]
    commit: str
    budget: str = ""
    seed: int = 0
    branch: str = ""
    reason: str = ""


class ExperimentBegan(Event, frozen=True, tag="experiment_began"):
    """An experiment got its number. `champion` is the run it is tried on, None for a baseline."""

    run: int
    segment: int
    champion: int | None
    gate: Gate
    researcher: str = ""
    group: str = ""
    candidate: str = ""
    """The key of the round's candidate that it is about (see RoundPlanned)."""
    seeds: int = 1
    """Trials of the change, under the segment's seed and those that follow it; its metric is their mean."""


class ProposalRefused(Event, frozen=True, tag="proposal_refused"):
    """A proposed change did not pass the check; the researcher hears `reason` and tries again."""

    run: int
    attempt: int
    reason: str
    description: str = ""
    usage: dict[str, float] = {}


class ProposalFailed(Event, frozen=True, tag="proposal_failed"):
    """No change came of this experiment: every try was refused, or the researcher failed. Logged, nothing was run."""

    run: int
    reason: str


class AttemptFailed(Event, frozen=True, tag="attempt_failed"):
    """The researcher could not do its work this time. It, or its `fallback`, is asked again after `wait_s` seconds.

    `kind` as in ResearcherFailed. `counts` as so many failures in a row: one that lasts is enough for the fallback to
    step in. No result of the experiment's: it goes on until somebody proposes a change.
    """

    run: int
    researcher: str
    kind: str
    reason: str
    wait_s: float = 0.0
    fallback: bool = False
    usage: dict[str, float] = {}
    counts: int = 1


class MendFailed(Event, frozen=True, tag="mend_failed"):
    """The researcher could not mend its crashed change: the crash stands."""

    run: int
    attempt: int
    reason: str
    usage: dict[str, float] = {}


class ChangeAccepted(Event, frozen=True, tag="change_accepted"):
    """A change passed the check; its text lies in runs/NNNN/proposal.json. Written ahead of the commit."""

    run: int
    description: str
    asi: dict[str, str]
    fingerprint: str = ""
    params: dict[str, tuple[str, str]] = {}
    net_lines: int = 0
    usage: dict[str, float] = {}
    researcher: str = ""
    fallback: bool = False
    mend: int = 0
    claim: str = ""
    """The swarm's claim, with its fencing token; "alone" = nobody answered, "" = the session is in no swarm."""
    token: int = 0


class ChangeCommitted(Event, frozen=True, tag="change_committed"):
    """The change is in git. For a baseline: the commit that was measured."""

    run: int
    commit: str


class TrialBegan(Event, frozen=True, tag="trial_began"):
    """One (commit, seed, budget) starts. `of` is "candidate" or "champion"; `budget` empty = the session's own."""

    run: int
    trial: int
    commit: str
    seed: int
    of: str = "candidate"
    budget: str = ""


class TrialEnded(Event, frozen=True, tag="trial_ended"):
    """What a trial brought. `outcome`: ok, crash, timeout, aborted, interrupted, no_metric, bad_metric.

    `metric` is None unless the outcome is ok. `flags` are claims that cannot be (see gates). `killed` names processes
    that had to be killed at its end.
    """

    run: int
    trial: int
    outcome: str
    metric: float | None = None
    metrics: dict[str, float] = {}
    duration_s: float = 0.0
    exit_code: int | None = None
    cause: str = ""
    detail: str = ""
    flags: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()


class ChecksBegan(Event, frozen=True, tag="checks_began"):
    """autoresearch.checks.sh starts."""

    run: int


class ChecksEnded(Event, frozen=True, tag="checks_ended"):
    """autoresearch.checks.sh ended; `passed` False makes the experiment checks_failed."""

    run: int
    passed: bool
    detail: str = ""
    duration_s: float = 0.0


class Decided(Event, frozen=True, tag="decided"):
    """The gate's verdict. `status`: keep, discard, crash, checks_failed."""

    run: int
    status: str
    reason: str
    metric: float | None = None
    metrics: dict[str, float] = {}
    flags: tuple[str, ...] = ()


class TreeSettled(Event, frozen=True, tag="tree_settled"):
    """The editable files equal the champion's again; `commit` is HEAD. `run` None: after an override."""

    commit: str
    champion: int
    run: int | None = None


class Learnt(Event, frozen=True, tag="learnt"):
    """What the researcher makes of the result: further ASI."""

    run: int
    asi: dict[str, str] = {}


class ExperimentEnded(Event, frozen=True, tag="experiment_ended"):
    """The experiment is logged and over. `confidence` is the session's at this moment."""

    run: int
    confidence: float | None = None


class CommandQueued(Event, frozen=True, tag="command_queued"):
    """The engine claimed a command of the inbox."""

    id: str
    kind: str
    args: dict[str, str]
    by: str
    sent: float = 0.0


class CommandDelivered(Event, frozen=True, tag="command_delivered"):
    """A message reached the researcher's prompt of `run`."""

    id: str
    run: int


class CommandDone(Event, frozen=True, tag="command_done"):
    """The command took effect; `answer` is a sentence."""

    id: str
    answer: str = ""


class CommandRefused(Event, frozen=True, tag="command_refused"):
    """The command changed nothing, and why."""

    id: str
    reason: str


class Overridden(Event, frozen=True, tag="overridden"):
    """The operator's decision: `line` is the new line of champions (runs), `statuses` what changed with it.

    `kind` is revert, keep or undo; `withdrawn` names the later keeps that fell with it.
    """

    command: str
    kind: str
    run: int
    line: tuple[int, ...]
    statuses: dict[int, str]
    withdrawn: tuple[int, ...]
    by: str
    reason: str = ""


class PauseSet(Event, frozen=True, tag="pause_set"):
    """Pause asked for or taken back; it takes effect between two experiments. `by` is "engine" for its own.

    `limit`: a limit was reached; it counts anew when the operator resumes.
    """

    paused: bool
    by: str
    reason: str = ""
    limit: bool = False


class StopAsked(Event, frozen=True, tag="stop_asked"):
    """The engine ends after the current experiment."""

    by: str
    reason: str = ""


class AbortAsked(Event, frozen=True, tag="abort_asked"):
    """The running experiment is to end now."""

    run: int
    by: str


class JobBegan(Event, frozen=True, tag="job_began"):
    """Queued work starts: the command `command` of kind `kind`, about `run`; it works in jobs/COMMAND."""

    command: str
    kind: str
    run: int
    seed: int | None = None


class JobEnded(Event, frozen=True, tag="job_ended"):
    """What queued work brought. `outcome` as in TrialEnded; `files` lie in jobs/COMMAND. Its command's end follows."""

    command: str
    kind: str
    run: int
    outcome: str
    detail: str = ""
    metric: float | None = None
    metrics: dict[str, float] = {}
    files: tuple[str, ...] = ()
    duration_s: float = 0.0


class JobAbortAsked(Event, frozen=True, tag="job_abort_asked"):
    """The queued work that runs is to end now."""

    command: str
    by: str


class Noted(Event, frozen=True, tag="noted"):
    """A person's note on an experiment (`run`) or on the session (None)."""

    text: str
    by: str
    run: int | None = None


class ResearcherSaid(Event, frozen=True, tag="researcher_said"):
    """A sentence of the researcher's, for the operator: an answer (`command`) or a remark."""

    text: str
    run: int | None = None
    command: str = ""


class SettingEdited(Event, frozen=True, tag="setting_edited"):
    """One key of overnight.toml was changed and committed.

    A key without a section is a constant or flag of the training script, or `max_iters`, the training length.
    """

    key: str
    value: str
    by: str
    commit: str = ""


class Rescued(Event, frozen=True, tag="rescued"):
    """Edits found in the way were saved under `ref` before the tree was set right."""

    ref: str
    reason: str


class DirtTaken(Event, frozen=True, tag="dirt_taken"):
    """`start --dirty`: the operator's own edit of the editable files became a new segment's base."""

    commit: str
    ref: str


class Delayed(Event, frozen=True, tag="delayed"):
    """No run can start yet: what the engine waits for, or does before the first one. `trouble`: what it waits for is
    not as it should be, as a GPU that others hold. It lasts until something starts."""

    text: str
    trouble: bool = False


class Fitted(Event, frozen=True, tag="fitted"):
    """The largest configuration that the GPU holds was found before the first run, and is in the session's files.

    `changed` maps a constant to (old, new) source texts; empty when the tier's own fits.
    """

    text: str
    changed: dict[str, tuple[str, str]] = {}
    peak_vram_mb: float | None = None
    commit: str = ""


class Trouble(Event, frozen=True, tag="trouble"):
    """Something the operator should know that did not stop the loop."""

    text: str


AnyEvent = (
    EngineStarted
    | EngineStopped
    | SegmentOpened
    | ExperimentBegan
    | ProposalRefused
    | ProposalFailed
    | AttemptFailed
    | MendFailed
    | ChangeAccepted
    | ChangeCommitted
    | TrialBegan
    | TrialEnded
    | ChecksBegan
    | ChecksEnded
    | Decided
    | TreeSettled
    | Learnt
    | ExperimentEnded
    | CommandQueued
    | CommandDelivered
    | CommandDone
    | CommandRefused
    | Overridden
    | RoundPlanned
    | RoundDecided
    | GrowthBegun
    | PauseSet
    | StopAsked
    | AbortAsked
    | JobBegan
    | JobEnded
    | JobAbortAsked
    | Noted
    | ResearcherSaid
    | SettingEdited
    | Rescued
    | DirtTaken
    | Delayed
    | Fitted
    | Trouble
)

_encoder = msgspec.json.Encoder()


@cache
def _decoder() -> msgspec.json.Decoder[AnyEvent]:
    return msgspec.json.Decoder(AnyEvent)  # not made by those who write only, or whose fold was saved


def encode(event: AnyEvent) -> bytes:
    """One JSON line, newline included. A half of a surrogate pair, which JSON cannot hold, becomes "?"."""
    try:
        return _encoder.encode(event) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(_whole(msgspec.to_builtins(event))) + b"\n"


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value


def decode(line: bytes) -> AnyEvent:
    """Read one line. Errors: msgspec.DecodeError (also for an event of a newer version)."""
    return _decoder().decode(line)
