"""overnight.toml: the settings of a session, their defaults, and refusals that name file, line and key."""

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec


class Metric(msgspec.Struct, frozen=True):
    """What is measured and which way is better."""

    name: str = "val_bpb"
    unit: str = "bpb"
    direction: Literal["lower", "higher"] = "lower"


class Run(msgspec.Struct, frozen=True):
    """How a trial is run; limits in seconds. `seed` is the first trial's seed."""

    command: str = "bash autoresearch.sh"
    timeout_s: float = 600
    checks_timeout_s: float = 300
    seed: int = 1337


class Limits(msgspec.Struct, frozen=True):
    """Where an engine ends, counted from its start; 0 = no limit. `experiments` counts those after the baseline."""

    experiments: int = 0
    hours: float = 0
    cost_usd: float = 0
    tokens: int = 0


class Researcher(msgspec.Struct, frozen=True):
    """Who proposes. `command` is an agent of your own ({prompt} stands for the prompt file); `model` is provider:name.

    `base_url` and `key_env` (the variable that holds the key; no other is ever sent there) point `llm` at another
    server. A prompt holds at most `prompt_tokens`; one answer may take `timeout_s` seconds; a crash of the simple kind
    goes back `mends` times; after `give_up_after` failures in a row `fallback` proposes for a while ("" = wait).
    `profile`: the champion's newest profile, where one was made, is in the prompt.
    """

    kind: Literal["search", "agent", "llm", "grow"] = "search"
    agent: str = ""
    command: list[str] = []
    model: str = ""
    base_url: str = ""
    key_env: str = ""
    fallback: Literal["search", ""] = "search"
    prompt_tokens: int = 30000
    timeout_s: float = 900
    mends: int = 2
    give_up_after: int = 3
    profile: bool = False


class Gate(msgspec.Struct, frozen=True):
    """The rule by which a result is kept. See design, section 3. `pairs` is the confirm gate's number of pairs.

    `round` is the growth search's own: no verdict before its round ends.
    """

    kind: Literal["greedy", "confirm", "round"] = "greedy"
    equal_within: float = 0.0
    gain_per_line: float = 5e-5
    vram_ratio: float = 1.5
    vram_gain: float = 0.01
    jump: float = 0.1
    pairs: int = 3


class Grow(msgspec.Struct, frozen=True):
    """The growth search: each of `parameters` raised by its increment, up to `iterations` times; none = train.py's own.

    `rounds`: at most so many, 0 = until nothing helps. `seeds`: trials of each candidate. `cost`: what a gain is
    divided by. `max_iters_increase`: the budget grows by so much when nothing helps, 0 = the search ends. `layers`:
    which one a new layer is a copy of, where there are lists with an entry a layer. `how`: constants of the editable
    files, or command-line flags in `flags_file`. `derived`: a constant that is None, as an expression of the others.
    """

    parameters: dict[str, float | list[float]] = {}
    iterations: int = 1
    rounds: int = 0
    seeds: int = 1
    cost: Literal["params", "vram", "iter"] = "params"
    max_iters_increase: float = 0
    layers: Literal["middle", "each"] = "middle"
    how: Literal["constants", "flags"] = "constants"
    flags_file: str = "train.args"
    derived: dict[str, str] = {}


class Scope(msgspec.Struct, frozen=True):
    """Which files a researcher may change, and which must stay as they are in a segment."""

    editable: list[str] = msgspec.field(default_factory=lambda: ["train.py"])
    pinned: list[str] = msgspec.field(
        default_factory=lambda: [
            "prepare.py",
            "corpus.py",
            "device.py",
            "attention.py",
            "fused.py",
            "pyproject.toml",
            "autoresearch.sh",
        ]
    )


class Guard(msgspec.Struct, frozen=True):
    """What a run and a researcher may not do. `verify`: evaluate the final weights once more, independently.

    `sandbox`: "auto" uses what this machine can, "require" refuses to start without it, "off" runs without.
    """

    verify: bool = False
    sandbox: Literal["auto", "require", "off"] = "auto"


class Keep(msgspec.Struct, frozen=True):
    """What stays on the disk: the weights of the last `checkpoints` champions, 0 = of none."""

    checkpoints: int = 1


class Gpu(msgspec.Struct, frozen=True):
    """Which device: "auto" or an index."""

    index: int | Literal["auto"] = "auto"


class Swarm(msgspec.Struct, frozen=True):
    """A session that joined a swarm. `auto_adopt`: the class's verified best becomes the next experiment by itself.

    `verify_share`: re-runs of others' results for each experiment of its own, at most; 0 = none.
    """

    auto_adopt: Literal["off", "verified"] = "off"
    verify_share: float = 0.2


class Mirror(msgspec.Struct, frozen=True):
    """Trackers that get a record of each experiment: `trackio` a project, `wandb` "project" or "entity/project".

    `trackio_space` ("user/name") sends the trackio project to a Space; `offline` keeps everything on this machine.
    """

    trackio: str = ""
    trackio_space: str = ""
    wandb: str = ""
    offline: bool = False


class Settings(msgspec.Struct, frozen=True):
    """All of overnight.toml."""

    metric: Metric = msgspec.field(default_factory=Metric)
    run: Run = msgspec.field(default_factory=Run)
    limits: Limits = msgspec.field(default_factory=Limits)
    researcher: Researcher = msgspec.field(default_factory=Researcher)
    gate: Gate = msgspec.field(default_factory=Gate)
    scope: Scope = msgspec.field(default_factory=Scope)
    gpu: Gpu = msgspec.field(default_factory=Gpu)
    guard: Guard = msgspec.field(default_factory=Guard)
    keep: Keep = msgspec.field(default_factory=Keep)
    grow: Grow = msgspec.field(default_factory=Grow)
    mirror: Mirror = msgspec.field(default_factory=Mirror)
    swarm: Swarm = msgspec.field(default_factory=Swarm)


class SettingsError(Exception):
    """A setting is refused. The message names file, line, key, what was found and what is allowed."""


_NAME = r"[A-Za-z_µμ][\wµμ.]*"
_AT_LEAST: dict[str, float] = {
    "run.timeout_s": 0.001,
    "run.checks_timeout_s": 0.001,
    "limits.experiments": 0,
    "limits.hours": 0,
    "limits.cost_usd": 0,
    "limits.tokens": 0,
    "researcher.prompt_tokens": 2000,
    "researcher.timeout_s": 1,
    "researcher.mends": 0,
    "researcher.give_up_after": 1,
    "gate.equal_within": 0,
    "gate.gain_per_line": 0,
    "gate.vram_ratio": 0,
    "gate.vram_gain": 0,
    "gate.jump": 0,
    "gate.pairs": 1,
    "keep.checkpoints": 0,
    "grow.iterations": 1,
    "grow.rounds": 0,
    "grow.seeds": 1,
    "grow.max_iters_increase": 0,
    "swarm.verify_share": 0,
}


def load(path: Path) -> Settings:
    """The settings in `path`; all defaults where the file is missing. Errors: SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Settings:
    """The settings in `text`; `where` names it in errors. Errors: SettingsError."""
    import tomllib  # the console reads no settings before its first paint, and every module delays that

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: not TOML: {error}") from error
    sections = {field.name: field for field in msgspec.structs.fields(Settings)}
    built: dict[str, Any] = {}
    for name, table in data.items():
        if name not in sections:
            raise SettingsError(_message(where, text, name, "", "an unknown section", f"one of {', '.join(sections)}"))
        if not isinstance(table, dict):
            raise SettingsError(_message(where, text, name, "", repr(table), f"a table, written [{name}]"))
        built[name] = _section(sections[name].type, name, table, text, where)
    return Settings(**built)


def _section(kind: type[Any], name: str, table: dict[str, Any], text: str, where: str) -> Any:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            allowed = f"one of {', '.join(fields)}"
            raise SettingsError(_message(where, text, name, key, "an unknown key", allowed))
        try:
            values[key] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            found = repr(value)
            raise SettingsError(_message(where, text, name, key, found, allowed_of(fields[key].type))) from error
        least = _AT_LEAST.get(f"{name}.{key}")
        if least is not None and not values[key] >= least:
            raise SettingsError(_message(where, text, name, key, repr(value), f"a number of at least {least:g}"))
        if isinstance(values[key], float) and values[key] == float("inf"):
            raise SettingsError(_message(where, text, name, key, repr(value), "a finite number"))
        wrong = _unusable(f"{name}.{key}", values[key])
        if wrong:
            raise SettingsError(_message(where, text, name, key, repr(value), wrong))
    return kind(**values)


def _unusable(key: str, value: Any) -> str:
    """What is allowed, where `value` has the right type and still cannot be used; else ""."""
    if key == "metric.name" and not re.fullmatch(_NAME, value):
        return "a name that a METRIC line can carry: a letter or _, then letters, digits, _ and dots"
    if key == "gate.kind" and value == "round":
        return "'greedy' or 'confirm'; the round gate comes with researcher.kind = \"grow\""
    if key == "run.command" and not value.strip():
        return "a command"
    if key == "scope.editable" and not value:
        return "a list of at least one file"
    if key in ("scope.editable", "scope.pinned"):
        for name in value:
            parts = name.split("/")
            if not name or name.startswith("/") or "\0" in name or {"..", ".", "", ".git", ".overnight"} & set(parts):
                return "a list of files inside the session, written from its folder on"
    if key == "gpu.index" and value != "auto" and value < 0:
        return "'auto' or a whole number of at least 0"
    return ""


def allowed_of(kind: Any) -> str:
    """What a field of this type takes, in words."""
    if get_origin(kind) is Literal:
        return " or ".join(repr(choice) for choice in get_args(kind))
    if kind in (int, float, str):
        return {int: "a whole number", float: "a number", str: "a text in quotes"}[kind]
    if get_origin(kind) is list:
        return "a list of numbers" if get_args(kind) == (float,) else "a list of texts"
    if get_origin(kind) is dict:
        return "a table of NAME = value"
    parts = get_args(kind)
    return " or ".join(allowed_of(part) for part in parts) if parts else str(kind)


def _message(where: str, text: str, section: str, key: str, found: str, allowed: str) -> str:
    line = line_of(text, section, key)
    dotted = f"{section}.{key}" if key else section
    return f"{where}, line {line}: {dotted} is {found}; allowed is {allowed}"


def line_of(text: str, section: str, key: str) -> int:
    """The line (from 1) on which `section.key` is set; the section's own line, or 1, where it cannot be told."""
    inside, at = False, 1  # a line that sets the whole section is `section = { key = ... }`
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("["):
            inside = line.strip("[]").split("#")[0].strip(" ]") == section
            if inside:
                at = number
        name = "".join(line.split("=")[0].split()).replace('"', "").replace("'", "")
        if name == section and "=" in line:
            at = number
        if (inside and key and name == key) or (not key and name == section) or name == f"{section}.{key}":
            return number
    return at


def differences(old: Settings, new: Settings) -> list[str]:
    """What differs, as `section.key old→new`."""
    found = []
    for section in msgspec.structs.fields(Settings):
        before, after = getattr(old, section.name), getattr(new, section.name)
        for field in msgspec.structs.fields(before):
            a, b = getattr(before, field.name), getattr(after, field.name)
            if a != b:
                found.append(f"{section.name}.{field.name} {a}→{b}")
    return found


def opens_segment(key: str) -> bool:
    """Whether changing `key` makes earlier results incomparable, so that the baseline is measured again."""
    return key.split(".")[0] in ("metric", "run", "scope")
