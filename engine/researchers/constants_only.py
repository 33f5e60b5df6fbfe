"""Whether a change of files is nothing but a change of constants, and of which."""

from collections.abc import Mapping

from engine.session.fingerprint import fingerprint
from engine.work.constants import ConstantError, changed_constants, set_constants


def constants_only(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Each changed constant's (old, new) source texts; empty where anything else was changed too."""
    found: dict[str, tuple[str, str]] = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name, ""), new.get(name, "")
        if before == after:
            continue
        changed = changed_constants(before, after)
        try:
            made = set_constants(before, {key: source for key, (_, source) in changed.items()})
        except ConstantError:
            return {}
        if fingerprint({name: made}) != fingerprint({name: after}):
            return {}
        found.update(changed)
    return found
