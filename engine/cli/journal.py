"""journal: a session's dated journal, written to a file that a person may write into as well."""

import argparse
from pathlib import Path

from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.session.journal import read


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="write it there (default: autoresearch.journal/journal.md); - prints it"
    )
    parser.epilog = (
        "What you write into the file outside its marked parts stays in its place when the journal is made again;"
        " overnight note adds a dated line. Pictures need matplotlib: pip install 'overnight[report]'."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Write it."""
    from engine.reports import writing

    paths = session_of(args)
    journal = writing.collect(paths, read(paths.journal))
    document = {
        "session": paths.name,
        "versions": journal.found,
        "todos": journal.todos,
        "failures": journal.night.ideas,
        "notes": [{"at": at, "by": by, "text": text} for at, by, text in journal.state.notes],
    }
    if args.out == "-":
        out.result({**document, "file": None, "pictures": 0}, journal.text("", {}))
        return 0
    own = args.out is None
    file = writing.default(paths) if args.out is None else Path(args.out).absolute()
    shown = writing.write(journal, file, own, out.narrate)
    told = f"{file}: {_many(len(journal.found), 'version')}, {_many(shown, 'picture')}"
    out.result({**document, "file": str(file), "pictures": shown}, told)
    return 0


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
