"""The seam between the loop and a swarm: what the loop asks of it. Nothing here waits for a hub longer than CLAIM_S."""

import re
from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from engine.session.state import Experiment, Segment, State
from engine.swarm.records import Klass

CLAIM_S = 2.0
"""What a claim may take before the loop goes on alone."""
TRIES = 5
"""So many proposals that others have claimed or done send the researcher back; the last of them is run all the same."""
ALONE = "alone"
"""In place of a claim's id: nobody was there to claim it of."""
WHO = "swarm"
"""Who queues work and proposes a change in the swarm's name."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a claim: its id and token (or ALONE), or `taken`, why another is to be proposed. `said`: for the
    operator."""

    claim: str = ""
    token: int = 0
    taken: str = ""
    said: tuple[str, ...] = ()


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is about to be tried: fingerprints of the new code and of what it starts from.

    `instead`: the run's own claim (and its token) that this one takes the place of, where a crash was mended.
    """

    run: int
    klass: Klass
    fingerprint: str
    base: str
    params: dict[str, tuple[str, str]]
    description: str
    instead: tuple[str, int] = ("", 0)


class Hints(msgspec.Struct, frozen=True):
    """What others know: titled lists of lines (their words, to be quoted as data), and fingerprints of what is done."""

    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    done: frozenset[str] = frozenset()


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Another member's result, its signature and code checked: files by name."""

    id: str
    name: str
    description: str
    files: dict[str, str]
    metric: float | None
    state: str
    klass: Klass
    seed: int
    code: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An ended experiment with all that is told of it; `files` and `base` are the editable files after and before."""

    experiment: Experiment
    segment: Segment
    klass: Klass
    files: dict[str, str]
    fingerprint: str
    base: str
    settings: dict[str, str] = {}
    versions: dict[str, str] = {}
    weights: str = ""
    """The sha256 of its final weights, where the session keeps them."""
    best_before: float | None = None
    """The session's best before it."""
    best_of_class: float | None = None
    hints_before: frozenset[str] = frozenset()
    """What earlier experiments hinted at: said once is enough."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the session stands, for what the swarm offers: `margin` is what counts as more than noise."""

    klass: Klass
    metric: float | None
    margin: float
    tried: frozenset[str]
    adopted: frozenset[str]
    rerun: frozenset[str]
    """Results that were adopted, or re-run, or wait for it."""
    adopt: bool
    verify: bool
    topics: frozenset[str] = frozenset()
    """`words` of what it tried lately."""


def words(text: str) -> frozenset[str]:
    """What a text is about: its words of four letters and more, names of constants among them."""
    return frozenset(re.findall(r"\w{4,}", text.casefold()))


class Wish(msgspec.Struct, frozen=True):
    """What the swarm would have the loop do or tell: `kind` is trouble, verify or adopt."""

    kind: str
    args: dict[str, str]


class Collective(Protocol):
    """A swarm as the loop sees it. Only `claim` and `fetch` may wait, in a worker's thread."""

    def claim(self, intent: Intent) -> Answer: ...

    def hold(self, run: int, claim: str, token: int) -> None:
        """Renew the lease until `let_go`."""
        ...

    def let_go(self, what: int | str, finished: bool) -> None:
        """Nothing more is held for a run, or for the re-run of a result; what no result finishes is given back."""
        ...

    def hints(self) -> Hints: ...

    def fetch(self, result: str) -> Foreign:
        """Errors: SwarmError."""
        ...

    def known(self) -> frozenset[str]:
        """Ids of what was told or waits to be."""
        ...

    def since(self) -> int:
        """Experiments up to this run are not told: they are from before the session joined."""
        ...

    def id(self, *parts: object) -> str: ...

    def tell(self, account: Account) -> None:
        """Put an experiment and what was learnt by it into the outbox. Errors: OSError."""
        ...

    def mark(
        self, run: int, said: Collection[str], params: Mapping[str, tuple[str, str]], state: str, at: float
    ) -> None:
        """Say what becomes of the hypotheses that a change's own words cite, or that name the constants that it
        changes: claimed as it begins, open again where it came to nothing. Errors: OSError."""
        ...

    def judge(
        self, command: str, args: Mapping[str, str], klass: Klass, metrics: Mapping[str, float], at: float
    ) -> None:
        """Put the verdict of a re-run into the outbox. Errors: OSError."""
        ...

    def stand(self, standing: Standing) -> None:
        """Tell what the session would take from the swarm now."""
        ...

    def wishes(self, state: State) -> list[Wish]: ...

    def close(self, wait_s: float) -> None:
        """Deliver what goes within `wait_s`; what does not waits for the next start."""
        ...
