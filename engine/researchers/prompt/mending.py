"""What a researcher needs to mend its own change: the change as it crashed, and what was said."""

import difflib
from collections.abc import Mapping

from engine.researchers.base import Mend
from engine.researchers.prompt.quoting import DATA, fenced, one_line, quotable
from engine.researchers.prompt.size import clipped, cost

_ASK = (
    "Your change did not run ({cause}). Mend it, changing as little as you can and keeping the idea; this is mend"
    " {attempt}. Answer as always; your change is now made to the files shown here, not to the champion's."
)


def mending(mend: Mend, champion: Mapping[str, str], room: int) -> str:
    """The block for `mend` within `room`: trace, then the changed files whole, or as a diff where they do not fit."""
    parts = [_ASK.format(cause=one_line(mend.cause), attempt=mend.attempt)]
    trace = clipped(quotable(mend.trace), room // 4, end=True)
    parts.append(fenced(trace, f"log, {DATA}"))
    room -= sum(cost(part) + 2 for part in parts)
    changed = {name: text for name, text in mend.files.items() if text != champion.get(name, "")}
    whole = "\n\n".join(fenced(text, f"{name}, as it crashed") for name, text in changed.items())
    if cost(whole) <= room:
        return "\n\n".join([*parts, whole])
    share = max(90, room // max(1, len(changed)) - 120)
    for name, text in changed.items():
        lines = difflib.unified_diff(champion.get(name, "").splitlines(), text.splitlines(), n=5, lineterm="")
        told = "\n".join(list(lines)[2:])
        parts.append(fenced(clipped(told, share), f"{name}, what it changed of the champion's, as a diff"))
    return "\n\n".join(parts)
