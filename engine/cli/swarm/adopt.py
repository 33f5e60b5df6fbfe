"""swarm adopt: another member's train.py, shown as a diff, asked about, and tried as the next experiment."""

import argparse
import difflib
import sys

from engine.cli.output import Output, safe
from engine.cli.parsing import add_session
from engine.cli.sender import add_wait, send
from engine.cli.swarm.belonging import Belonging, belonging
from engine.cli.trouble import DONE, Refused
from engine.session import settings
from engine.session.inbox import Seen
from engine.session.journal import read
from engine.session.state import State
from engine.swarm.collective import Foreign
from engine.swarm.foreign import fetch, find
from engine.work import cheats
from engine.work.jobs.verification import unsafe
from engine.work.repo import Repo

NEWEST = 500


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("which", metavar="RESULT", help="the beginning of a result's id, or: best")
    add_session(parser, positional=False)
    add_wait(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only show the difference")
    parser.epilog = "It runs in the sandbox only, and your own gate decides whether it is kept."


def run(args: argparse.Namespace, out: Output) -> int:
    """Show it, ask, and queue it."""
    own = belonging(args)
    state = read(own.paths.journal)
    champion = state.champion
    if champion is None:
        raise Refused(f"{own.paths.name} has no champion yet: measure its baseline first (overnight start)")
    foreign = fetch(own.swarm, _id(args.which, own, state), own.membership.swarm)
    files = Repo(own.paths.root, own.paths.name).files_at(champion.commit, list(state.segments[-1].editable))
    shown, found = difference(files, foreign), cheats.look(files, {**files, **foreign.files})
    refusing = [str(finding) for finding in found if finding.severity == "refuse"]
    why = unsafe(settings.load(own.paths.settings).guard.sandbox)
    document: dict[str, object] = {
        "session": own.paths.name, "result": foreign.id, "name": foreign.name, "state": foreign.state,
        "metric": foreign.metric, "description": foreign.description, "diff": shown,
        "cheats": [str(finding) for finding in found], "refused": "; ".join([*refusing, *([why] if why else [])]),
    }  # fmt: skip
    metric = "no metric" if foreign.metric is None else f"{foreign.klass.metric} {foreign.metric:.6f}"
    if not out.json:
        print(safe(shown) or "no difference from the champion")
        out.narrate(f"{foreign.id} by {foreign.name}, {foreign.state or 'unverified'}, {metric}: {foreign.description}")
    for finding in found:
        out.narrate(f"look: {finding}")
    if refusing or why:
        raise Refused(f"not adopted: {'; '.join([*refusing, *([why] if why else [])])}")
    if not shown:
        raise Refused("not adopted: the champion is this very code already")
    if args.dry_run:
        out.result({**document, "status": "not sent"}, "")
        return DONE
    if not args.yes and not _agreed(foreign):
        raise Refused("not adopted")
    sent = {"result": foreign.id, "name": foreign.name}
    return send(own.paths, "adopt", sent, Seen(), out, min(args.wait, 5.0), document)


def _id(which: str, own: Belonging, state: State) -> str:
    from engine.cli.swarm.belonging import class_of

    klass = class_of(own.paths, state)
    if which == "best":
        best = own.swarm.best(klass) if klass else []
        if not best:
            raise Refused("no results of this session's class yet")
        return best[0].record.id
    return which if len(which) == 32 else find(which, own.swarm.results(None, limit=NEWEST))


def difference(files: dict[str, str], foreign: Foreign) -> str:
    """A unified diff from the champion's files to the other member's."""
    parts: list[str] = []
    for name in sorted({*files, *foreign.files}):
        old, new = files.get(name, ""), foreign.files.get(name, files.get(name, ""))
        if old != new:
            lines = difflib.unified_diff(
                old.splitlines(), new.splitlines(), f"champion/{name}", f"theirs/{name}", lineterm=""
            )
            parts += lines
    return "\n".join(parts)


def _agreed(foreign: Foreign) -> bool:
    """Ask on the terminal; where nobody can answer it is not agreed to."""
    if not sys.stdin.isatty():
        raise Refused("nobody can be asked here: read the difference, then say --yes")
    print(
        safe(f"Try this as the next experiment, in the sandbox? [y/N] (code of {foreign.name}) "),
        end="",
        file=sys.stderr,
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
