"""The console's command line: `[attach] [SESSION] [--read-only] [--sessions DIR]`, `watch DIR` and `grow FILE`.

The session is found and its journal's fold begun before anything of the screen is imported, so that the first paint
has something to show.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.session.paths import NoSession, SessionPaths, find, sessions_dir

NO_TERMINAL = 2
NO_SESSION = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Open the console; returns the exit code (0 left, 1 failed, 2 wrong usage or no terminal, 3 no such session)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["grow"]:
        return _growth(words[1:])
    args = _arguments(words)
    try:
        paths = find(args.session, sessions_dir(args.sessions))
    except NoSession as error:
        print(f"overnight: {error}", file=sys.stderr)
        return NO_SESSION
    if not _terminal("overnight status, overnight log"):
        return NO_TERMINAL
    return _open(paths, read_only=args.read_only or paths.recorded)


def _terminal(instead: str) -> bool:
    """Whether there is one; if not it is told what to do."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return True
    print(f"overnight: the console needs a terminal; without one: {instead}", file=sys.stderr)
    return False


def _growth(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="overnight grow --view", description="Show a growth log, live.")
    parser.add_argument("file", type=Path, metavar="FILE")
    path = parser.parse_args(words).file
    if not _terminal(f"less {path}"):
        return NO_TERMINAL
    from tui.config import load
    from tui.growthview import open_view

    return open_view(path, *load(os.environ))


def _open(paths: SessionPaths, *, read_only: bool) -> int:
    # Nothing that is made until the first paint is garbage: looking for it doubles the time. The app turns it on again.
    gc.disable()
    from tui.loading import Loading

    loading = Loading(paths).start()
    from tui.app import open_console
    from tui.config import load

    config, problems = load(os.environ)
    return open_console(loading, config, problems, read_only=read_only)


def _arguments(words: list[str]) -> argparse.Namespace:
    verb = words.pop(0) if words and words[0] in ("attach", "watch") else "attach"
    parser = argparse.ArgumentParser(
        prog=f"overnight {verb}", description="Open the console on a session; the loop does not depend on it."
    )
    parser.add_argument(
        "session", nargs=None if verb == "watch" else "?", metavar="DIR" if verb == "watch" else "SESSION"
    )
    parser.add_argument("--read-only", action="store_true", default=verb == "watch", help="only look, change nothing")
    parser.add_argument(
        "--sessions", metavar="DIR", help="where sessions live (default: OVERNIGHT_SESSIONS, else ./sessions)"
    )
    parser.add_argument("-s", "--session", dest="named", metavar="SESSION", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    args.session = args.session or args.named
    return args
