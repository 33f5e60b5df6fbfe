"""say and note: words for the researcher, and words for whoever reads the session later."""

import argparse
import sys

from engine.cli.output import Output
from engine.cli.parsing import add_session, experiment_of, session_of
from engine.cli.sender import add_wait, seen_now, send
from engine.cli.trouble import Usage
from engine.session.inbox import Seen


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What these verbs take."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="the words; - reads them from standard input")
    add_session(parser, positional=False)
    add_wait(parser)
    if verb == "note":
        parser.add_argument(
            "--run", metavar="RUN", dest="which", help="the experiment it is about (default: the session)"
        )
    else:
        parser.epilog = "The next prompt carries it; overnight status shows whether it was delivered and answered."


def run(args: argparse.Namespace, out: Output) -> int:
    """Send it."""
    text = sys.stdin.read() if args.text == ["-"] else " ".join(args.text)
    if not text.strip():
        raise Usage(f"overnight {args.verb}: the text is empty")
    paths = session_of(args)
    sent = {"text": text.strip()}
    if getattr(args, "which", None):
        state, _ = seen_now(paths)
        sent["run"] = str(experiment_of(args.which, state, paths.name).run)
    # A message is answered only when a prompt has carried it, which may take an experiment: claimed is enough.
    wait = min(args.wait, 2.0) if args.verb == "say" else args.wait
    return send(paths, args.verb, sent, Seen(), out, wait)
