"""The journal's events of the growth search: its rounds, planned and decided."""

import msgspec

from engine.session.event import Event


class Planned(msgspec.Struct, frozen=True, omit_defaults=True):
    """One candidate of a growth round. `key` names it; `param` and `value` are what a log shows of it.

    `change` maps every setting that differs from the baseline to its new source text (an argument's, for flags).
    """

    key: str
    param: str
    value: int | float | str | dict[str, int]
    change: dict[str, str]


class RoundPlanned(Event, frozen=True, tag="round_planned"):
    """A growth round begins on the champion `base`: what it will try, in order. The same number again: from anew.

    `cost` is params, vram or iter; `seeds` how many trials each gets; `budget` the training length in the budget's
    unit; `config` the baseline's settings as source texts; `mark` the [grow] settings it was planned by.
    """

    round: int
    segment: int
    base: int
    cost: str
    seeds: int
    budget: str = ""
    candidates: tuple[Planned, ...] = ()
    config: dict[str, str] = {}
    mark: str = ""


class RoundDecided(Event, frozen=True, tag="round_decided"):
    """A growth round is over. `chosen` is the run that becomes the champion, None where none helped.

    `budget`: the training length from now on, where none helped and it grows; `stop`: why the search ends instead.
    """

    round: int
    chosen: int | None
    reason: str
    budget: str = ""
    stop: str = ""


class GrowthBegun(Event, frozen=True, tag="growth_begun"):
    """A growth log of elsewhere is gone on from: `rounds` of it are in .overnight/grow-earlier.yaml."""

    rounds: int
    path: str
    by: str
