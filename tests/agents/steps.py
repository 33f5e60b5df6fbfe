"""What the scripted model does, before any protocol: steps with tools, then last words."""

import json
import shlex
from typing import NamedTuple


class Step(NamedTuple):
    """`kind`: read, edit (old → new) or write (new) the file."""

    kind: str
    file: str
    old: str = ""
    new: str = ""

    def shell(self) -> str:
        """The same as a shell command, for agents whose only tool is one."""
        if self.kind == "read":
            return f"cat {self.file}"
        if self.kind == "edit":
            return f"sed -i {shlex.quote(f's/^{self.old}/{self.new}/')} {self.file} && echo edited"
        return f"printf %s {shlex.quote(self.new)} > {self.file} && echo written"


class Steps(NamedTuple):
    """Steps in order, and what is said at the end."""

    steps: list[Step]
    last_words: str

    def at(self, done: int) -> Step | None:
        """The step after `done` tool results; None when only the last words are left."""
        return self.steps[done] if done < len(self.steps) else None


def shown(value: object) -> str:
    """All text inside a request's JSON, with its line breaks, for finding the prompt in it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(shown(item) for item in value)
    if isinstance(value, dict):
        return "\n".join(shown(item) for item in value.values())
    return json.dumps(value)
