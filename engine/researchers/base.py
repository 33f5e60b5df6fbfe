"""What a researcher is: asked once per experiment for one change, told once what came of it."""

from pathlib import Path
from typing import Protocol

import msgspec

from engine.session.events import Planned
from engine.session.settings import Metric, Settings
from engine.session.state import Experiment, GrowthRound


class Message(msgspec.Struct, frozen=True):
    """An operator's message; the researcher answers it by its id."""

    id: str
    text: str
    by: str


class Mend(msgspec.Struct, frozen=True):
    """This experiment's change crashed in a simple way (syntax, import, name, shape): its own files and what was said.

    `attempt` counts from 1; `cause` is the diagnosis' word, `trace` the end of the log with progress collapsed.
    """

    attempt: int
    files: dict[str, str]
    cause: str
    trace: str


class Brief(msgspec.Struct, frozen=True):
    """All a researcher gets to know. `files` maps each editable file to the champion's text.

    `results` are the open segment's ended experiments in order (baseline first); `champion` is one of them.
    `failures_in_row` counts results since the last keep. `refusals` are the reasons why this experiment's earlier
    proposals were sent back. `settings` and `session` let it read program.md and what else lies in the session.
    """

    run: int
    session: Path
    settings: Settings
    metric: Metric
    files: dict[str, str]
    champion: Experiment
    results: tuple[Experiment, ...]
    failures_in_row: int
    messages: tuple[Message, ...] = ()
    refusals: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    """Why this experiment's earlier asks brought nothing that could be tried, before a wait or a restart."""
    hook_output: str = ""
    tried: dict[str, str] = {}
    """Every change tried on this champion: its fingerprint (see engine.work.change) → its run and what came of it."""
    folder: Path = Path()
    """This run's own folder, runs/NNNN: prompt.md and researcher.log go there."""
    last_crash: str = ""
    """The end of the last crashed run's log, progress lines collapsed; "" when the last run did not crash."""
    mend: Mend | None = None
    growth: GrowthRound | None = None
    candidate: Planned | None = None
    """The growth search's round, and which of its candidates this experiment is."""
    done: frozenset[str] = frozenset()
    """Fingerprints of what other members of the swarm have tried."""
    collective: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What the swarm knows, as titled lists of lines: other people's words, to be quoted as data."""
    earlier: tuple[Experiment, ...] = ()
    """Ended experiments of earlier segments: their metrics do not compare, their ideas may."""


class Proposal(msgspec.Struct):
    """One change: the new text of each editable file it touches, what it is called, and why.

    `params` maps a constant to its (old, new) source texts where the change is one of constants. `answers` maps a
    message's id to a sentence. `usage`: cost_usd, input_tokens, output_tokens where known.
    """

    description: str
    files: dict[str, str]
    asi: dict[str, str] = {}
    params: dict[str, tuple[str, str]] = {}
    answers: dict[str, str] = {}
    remarks: list[str] = []
    usage: dict[str, float] = {}


class Exhausted(Exception):
    """The researcher has nothing left to try; the message says why and what would help. `answers` as in Proposal."""

    def __init__(self, why: str, answers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.answers = answers or {}


class ResearcherFailed(Exception):
    """The researcher could not do its work this time; the message is for the operator.

    `kind`: rate_limit, credentials, timeout, exit, network, server, refusal, empty, bad_answer, missing, settings,
    failed. `retry_after_s`: what the other side asked to wait, 0 = it did not say. `usage` as in Proposal. `lasting`:
    asking again brings the same until a person mends something, such as a setting.
    """

    def __init__(
        self,
        message: str,
        kind: str = "failed",
        retry_after_s: float = 0.0,
        usage: dict[str, float] | None = None,
        lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.kind, self.retry_after_s, self.usage = kind, retry_after_s, usage or {}


class Researcher(Protocol):
    """Called from one worker thread, one call at a time. Never writes to the session's tree."""

    name: str

    def propose(self, brief: Brief) -> Proposal:
        """One change. Errors: Exhausted, ResearcherFailed."""
        ...

    def learn(self, brief: Brief, experiment: Experiment) -> dict[str, str]:
        """ASI to add to the decided `experiment` (part of no `results` yet): result, next_action_hint …"""
        ...

    def close(self) -> None:
        """Let go of whatever it holds; propose may be running in another thread and should end soon."""
        ...
