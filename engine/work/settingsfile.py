"""overnight.toml as a new session gets it: every setting with its value and a word on what it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.session.settings import Settings, SettingsError, allowed_of, parse

ABOUT: Mapping[str, str] = {
    "metric": "What is measured. A change here or in [run] and [scope] measures the baseline again.",
    "metric.direction": "which way is better",
    "run.timeout_s": "seconds; a run that takes longer is killed and counts as a crash",
    "run.checks_timeout_s": "seconds for autoresearch.checks.sh, where there is one",
    "run.seed": "of each experiment's first trial",
    "limits": "When an engine ends, counted from its start; 0 = no limit.",
    "limits.experiments": "after the baseline",
    "researcher": "Who proposes the changes.",
    "researcher.agent": "kind agent: a preset's name",
    "researcher.command": "kind agent: an argv of your own",
    "researcher.model": "kind llm",
    "researcher.fallback": "who takes over when it fails",
    "gate": "What is kept.",
    "gate.equal_within": "what counts as equal, against the segment's best",
    "gate.gain_per_line": "the least gain that a net added line of code must bring",
    "gate.vram_ratio": "more peak VRAM than this times the champion's needs a gain above vram_gain",
    "gate.jump": "a gain above this in one step is not believed but flagged; 0 = off",
    "gate.pairs": "kind confirm: how often a would-be keep and the champion are run against each other",
    "grow": "The growth search: overnight grow. Parameters as {DEPTH = 1, MLP_WIDTH = 64}; none = train.py's own.",
    "grow.iterations": "multiples of each increment",
    "grow.rounds": "0 = until nothing helps",
    "grow.seeds": "trials of each candidate",
    "grow.max_iters_increase": "of the budget, when nothing helps; 0 = the search ends",
    "swarm": "For a session that joined a swarm: overnight swarm join.",
    "swarm.auto_adopt": "try the class's verified best by itself, in your own lab",
    "swarm.verify_share": "re-runs of others' results for each experiment, at most; 0 = none",
    "scope": "Which files may be changed, and which must stay as they are.",
    "gpu.index": "which GPU",
}


def render(settings: Settings) -> str:
    """The file's text, which reads back as `settings`."""
    lines = []
    for section in msgspec.structs.fields(Settings):
        lines += ["", f"# {ABOUT[section.name]}" if section.name in ABOUT else "", f"[{section.name}]"]
        table = getattr(settings, section.name)
        for field in msgspec.structs.fields(table):
            notes = [allowed_of(field.type)] if " or " in allowed_of(field.type) else []
            notes += [ABOUT[key] for key in (f"{section.name}.{field.name}",) if key in ABOUT]
            line = f"{field.name} = {_value(getattr(table, field.name))}"
            lines.append(f"{line}  # {'; '.join(notes)}" if notes else line)
    text = "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])).lstrip("\n") + "\n"
    if parse(text, "overnight.toml") != settings:
        raise SettingsError("these settings cannot be written as overnight.toml")
    return text


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str | list):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "true" if value is True else "false" if value is False else repr(value)
