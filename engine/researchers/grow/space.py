"""Where the growth search finds its settings and how it changes them: constants of the editable files, or flags."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.researchers.grow.flags import read_flags, set_flags
from engine.researchers.search.arithmetic import ArithmeticRefused, evaluate
from engine.researchers.search.sources import sources
from engine.researchers.search.values import Value, read, write
from engine.session.settings import Grow
from engine.work.constants import ConstantError, set_constants

PARAMETERS: dict[str, dict[str, float]] = {
    "constants": {"DEPTH": 1, "N_EMBD": 32, "MLP_WIDTH": 64, "N_HEAD": 1},
    "flags": {"n_layer": 1, "n_embd": 32, "mlp_size": 64, "n_head": 1},
}
"""What is raised where grow.parameters names nothing: name → increment."""
DERIVED = {
    "N_EMBD": "-(-DEPTH * ASPECT_RATIO // HEAD_DIM) * HEAD_DIM",
    "MLP_WIDTH": "4 * N_EMBD",
    "N_HEAD": "max(1, N_EMBD // HEAD_DIM)",
}
"""What the template's constants mean while they are None; written out, so that raising one leaves the others."""
ALIASES = {
    "n_layer": "DEPTH",
    "n_embd": "N_EMBD",
    "mlp_size": "MLP_WIDTH",
    "n_head": "N_HEAD",
    "n_kv_group": "N_KV_HEAD",
    "batch_size": "DEVICE_BATCH_SIZE",
}
"""Names of public configurations → the template's constants."""


class Space(msgspec.Struct, frozen=True):
    """The settings of one text. `texts` are their source texts, `values` their values, `files` what they stand in.

    `pinned` are constants that are None and have a meaning: their values, which every change writes out.
    """

    how: str
    files: dict[str, str]
    where: dict[str, str]
    texts: dict[str, str]
    values: dict[str, Value]
    pinned: dict[str, str]

    def config(self) -> dict[str, str]:
        """Every setting as a plain literal, those that are derived written out."""
        return {**{name: write(value, "") for name, value in self.values.items()}, **self.pinned}

    def name_of(self, name: str) -> str:
        """`name`, or the constant that a public configuration means by it; "" where neither is there."""
        if name in self.texts:
            return name
        found = ALIASES.get(name, "") if self.how == "constants" else ""
        return found if found in self.texts else ""

    def changed(self, changes: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
        """The new text of each file that changes, and each setting's (old, new) source texts.

        Errors: ResearcherFailed for a name that is not there or a value that cannot be written.
        """
        missing = [name for name in changes if name not in self.where]
        if missing:
            raise ResearcherFailed(f"{', '.join(self.files)} has no setting {', '.join(missing)}; was it renamed?")
        grouped: dict[str, dict[str, str]] = {}
        for name, source in changes.items():
            # the plan's literals are plain; the file's own manner (2**5, 1_024) is kept
            grouped.setdefault(self.where[name], {})[name] = write(read(source), self.texts[name])
        try:
            files = {
                file: (set_flags if self.how == "flags" else set_constants)(self.files[file], wanted)
                for file, wanted in grouped.items()
            }
        except (ConstantError, ArithmeticRefused) as error:
            raise ResearcherFailed(f"the growth search's change cannot be written: {error}") from error
        return files, {name: (self.texts[name], source) for name, source in changes.items()}


def space(files: Mapping[str, str], grow: Grow, session: Path) -> Space:
    """The settings in `files`, the editable files' texts. Errors: ResearcherFailed."""
    if grow.how == "flags":
        return _flags(files, grow)
    found = sources(files, session)
    return Space("constants", dict(files), found.where, found.texts, found.values, _pinned(found.known({}), grow))


def _flags(files: Mapping[str, str], grow: Grow) -> Space:
    name = grow.flags_file
    if name not in files or not files[name].strip():
        raise ResearcherFailed(
            f"grow.how is 'flags', and {name} holds none: write the command line's flags into it"
            f' (--n_layer 2 …), name it in scope.editable, and let the benchmark pass them: train.py $(cat "{name}")',
            "settings",
            lasting=True,
        )
    flags = read_flags(files[name])
    texts = {key: flag.source for key, flag in flags.items()}
    values = {key: read(source) for key, source in texts.items()}
    return Space("flags", dict(files), dict.fromkeys(texts, name), texts, values, _pinned(dict(values), grow))


def _pinned(values: dict[str, Value], grow: Grow) -> dict[str, str]:
    rules = {**(DERIVED if grow.how == "constants" else {}), **grow.derived}
    found: dict[str, str] = {}
    for name, rule in rules.items():
        if values.get(name, 0) is not None:
            continue
        try:
            values[name] = evaluate(rule, values)
        except ArithmeticRefused as error:
            if name in grow.derived:
                raise ResearcherFailed(f"grow.derived.{name}: {error}", "settings", lasting=True) from error
            continue
        found[name] = str(values[name])
    return found
