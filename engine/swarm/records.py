"""What members tell the swarm: records, each signed over its canonical JSON.

Two records are the same when their ids are: whatever is delivered twice counts once. Sizes and bounds are checked by
`engine.swarm.checks` before anything is stored, and again by readers.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Hex128 = Annotated[str, Meta(pattern="^[0-9a-f]{128}$", max_length=128)]
NO_NUL = "^[^\\x00]*$"
"""PostgreSQL holds no NUL in a text."""
Line = Annotated[str, Meta(pattern=NO_NUL, max_length=200)]
Paragraph = Annotated[str, Meta(pattern=NO_NUL, max_length=4000)]
Whole = Annotated[int, Meta(ge=0, lt=1 << 53)]
Direction = Literal["lower", "higher"]
Params = Annotated[dict[Line, tuple[Paragraph, Paragraph]], Meta(max_length=64)]


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two results comparable: evaluation, data, tokenizer, budget and metric. `hash` covers all others."""

    hash: str
    prepare: str = ""
    data: str = ""
    tokenizer: str = ""
    budget: str = ""
    metric: str = "val_bpb"
    direction: Direction = "lower"


class Klass(msgspec.Struct, frozen=True, kw_only=True):
    """Results that compare: one contract on one GPU model ("cpu" without). `vram_gb` gives the coarser tier."""

    contract: Hex64
    gpu: Annotated[str, Meta(min_length=1, max_length=100)]
    vram_gb: Annotated[float, Meta(ge=0, le=10000)] = 0.0
    metric: Line = "val_bpb"
    direction: Direction = "lower"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change before it is run: `fingerprint` is of the whole new code, `base` of the code it starts from."""

    contract: Hex64
    fingerprint: Hex64
    base: Hex64
    params: Params = {}
    description: Paragraph = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment. `code` is the sha256 of the editable files (see `engine.swarm.code`), sent beside it once.

    `claim` and `token` are what the claim gave; empty for one made alone. `metric` None = crash. `weights`: the sha256
    of the final weights where the member keeps them, so that whoever gets the file of it can check it.
    """

    klass: Klass
    change: Change
    run: int
    status: str
    metric: float | None
    code: str
    seed: int
    description: str = ""
    asi: dict[str, str] = {}
    metrics: dict[str, float] = {}
    delta_member: float | None = None
    delta_class: float | None = None
    settings: dict[str, str] = {}
    versions: dict[str, str] = {}
    claim: str = ""
    token: int = 0
    alone: bool = False
    weights: str = ""


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth trying. `priority` 1 (most) … 5; `state` open, claimed, tested or dropped."""

    text: str
    evidence: str = ""
    priority: int = 3
    state: str = "open"
    klass: Klass | None = None
    about: str = ""
    """The id of the hypothesis whose state this record changes; "" = a new one."""


class Insight(msgspec.Struct, frozen=True, kw_only=True):
    """Something learnt; `results` are ids of what shows it."""

    text: str
    evidence: str = ""
    topic: str = ""
    results: tuple[str, ...] = ()
    klass: Klass | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A member's re-run of another's result with seeds of its own choice. `metrics` are those trials' metrics."""

    result: str
    klass: Klass
    seeds: tuple[int, ...]
    metrics: tuple[float, ...]
    code: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope. `id` is 32 hex digits chosen by the member, `at` its own clock (told, never trusted).

    `signature` is hex, over `canonical` of everything else.
    """

    id: Hex32
    swarm: Hex32
    member: Hex64
    at: float
    kind: Literal["result", "hypothesis", "insight", "verdict"]
    body: dict[str, Any]
    signature: Annotated[str, Meta(max_length=128)] = ""


KINDS: dict[str, type[msgspec.Struct]] = {
    "result": Result,
    "hypothesis": Hypothesis,
    "insight": Insight,
    "verdict": Verdict,
}


def decoded(text: str | bytes) -> Record:
    """A stored record again. Errors: msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Record)
