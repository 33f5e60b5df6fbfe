"""What is sent to a hub, call by call. What comes back are the structs of `engine.swarm.api`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.swarm.api import Member, SwarmError
from engine.swarm.records import NO_NUL, Change, Hex32, Hex64, Hex128, Klass, Line, Paragraph, Record, Whole

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", max_length=32)]
Maybe64 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", max_length=64)]
Tier = Literal["", "<=16", "<=24", "<=48", ">48"]
State = Literal["", "reported", "quarantined", "verified", "refuted", "withdrawn", "banned", "repeat", "failed"]
Count = Annotated[int, Meta(ge=1, le=500)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class Join(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Become a member; `proof` is the key's signature over what `engine.swarm.calls.joining` gives."""

    invitation: Line
    name: Name
    key: Hex64
    proof: Hex128
    email: Annotated[str, Meta(max_length=255, pattern=NO_NUL)] = ""
    machine: Line = ""


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """`member` None: a code was sent to the address; `verify` ends it."""

    member: Member | None


class Verify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that came by e-mail."""

    member: Hex64
    code: Annotated[str, Meta(pattern="^[0-9]{8}$", max_length=8)]


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed over `engine.swarm.calls.claiming`."""

    member: Hex64
    change: Change
    klass: Klass
    signature: Hex128
    id: Hex32
    at: float


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed over `engine.swarm.calls.holding`."""

    member: Hex64
    claim: Hex32
    token: Whole
    signature: Hex128
    at: float


class Until(msgspec.Struct, frozen=True, kw_only=True):
    """A lease's new end, by the store's clock."""

    until: float


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signed record; `code` are the editable files where the hub may lack them."""

    record: Record
    code: dict[Line, str] | None = None


class OfClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A class, by both its parts; none = all."""

    contract: Maybe64 = ""
    gpu: Annotated[str, Meta(max_length=100, pattern=NO_NUL)] = ""

    @property
    def klass(self) -> Klass | None:
        """The class, or None. Errors: SwarmError("bounds") for half of one."""
        if bool(self.contract) != bool(self.gpu):
            raise SwarmError("a class has two parts: give contract and gpu, or none of them", "bounds")
        return Klass(contract=self.contract, gpu=self.gpu) if self.contract else None


class Waiting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The class whose queue is asked for."""

    contract: Hex64
    gpu: Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_NUL)]


class Best(OfClass, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tier` as in `engine.swarm.tiers`; `member` an id."""

    tier: Tier = ""
    member: Maybe64 = ""


class Results(OfClass, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state` and `member` narrow; the newest first."""

    state: State = ""
    member: Maybe64 = ""
    limit: Count = 50


class Leases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Claims of a contract; `live`: only those whose lease runs."""

    contract: Maybe64 = ""
    live: bool = True


class Hypotheses(OfClass, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`state` "" = any."""

    state: Literal["", "open", "claimed", "tested", "dropped"] = "open"
    limit: Count = 50


class Insights(OfClass, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`topic` is looked for in topic and text."""

    topic: Line = ""
    limit: Count = 50


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is looked for."""

    text: Annotated[str, Meta(min_length=1, max_length=4000, pattern=NO_NUL)]
    limit: Count = 20


class Feed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came after a sequence number; 0 = the newest."""

    after: Whole = 0
    limit: Count = 100


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Code by its hash."""

    hash: Hex64


class OneResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A result by its id."""

    id: Hex32


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why not: `error` for people, `code` for programs."""

    error: Paragraph
    code: Line
