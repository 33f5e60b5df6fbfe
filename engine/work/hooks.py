"""hooks/before and hooks/after: optional executables of the session, JSON on stdin, stdout for the researcher."""

import os
import tempfile
from pathlib import Path

import msgspec

from engine.work import leash

LIMIT_S = 30.0
OUTPUT_BYTES = 8192
"""Of a hook's output the researcher gets this much."""


class HookOutput(msgspec.Struct, frozen=True):
    """What a hook said, and what went wrong with it ("" when nothing did)."""

    text: str = ""
    trouble: str = ""


def run_hook(session: Path, name: str, payload: dict[str, object], environment: dict[str, str]) -> HookOutput:
    """Run hooks/NAME of the session if it is there and executable; never raises for what the hook does."""
    hook = session / "hooks" / name
    if not hook.is_file():
        return HookOutput()
    if not os.access(hook, os.X_OK):
        return HookOutput(trouble=f"hooks/{name} is not executable, so it was not run: chmod +x hooks/{name}")
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(msgspec.json.encode(payload))
        given.seek(0)
        try:
            child = leash.start(
                [str(hook)],
                cwd=session,
                env=environment,
                limit_s=LIMIT_S,
                stdin=given.fileno(),
                stdout=said.fileno(),
                cookie=environment.get("OVERNIGHT_COOKIE", ""),
            )
        except leash.LeashError as error:
            return HookOutput(trouble=f"hooks/{name}: {error}")
        ending = child.ended()
        said.seek(0)
        text = said.read(OUTPUT_BYTES).decode("utf-8", "replace")
    if ending.timed_out:
        return HookOutput(text, f"hooks/{name} was ended after {LIMIT_S:g} s")
    if not ending.clean:
        how = ending.why or (f"exit code {ending.exit_code}" if ending.signal is None else f"signal {ending.signal}")
        return HookOutput(text, f"hooks/{name} failed ({how}): {text[-300:].strip() or 'it printed nothing'}")
    return HookOutput(text)
