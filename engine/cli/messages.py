"""say and note: words for the researcher, and words for whoever reads the session later."""

import argparse
import sys

from engine.cli.output import Output
from engine.cli.parsing import add_session, experiment_of, session_of
from engine.cli.sender import add_wait, seen_now, send
from engine.cli.trouble import Refused, Usage
from engine.session.inbox import Seen, request
from engine.session.operator import operator
from engine.session.paths import SessionPaths, sessions_dir
from engine.session.state import State


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What these verbs take."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="the words; - reads them from standard input")
    add_session(parser, positional=False)
    add_wait(parser)
    if verb == "note":
        parser.add_argument(
            "--run", metavar="RUN", dest="which", help="the experiment it is about (default: the session)"
        )
    else:
        parser.add_argument(
            "--instead",
            metavar="ID",
            nargs="?",
            const="last",
            help="take back your message ID (default: your last) while no prompt has carried it, and say this instead",
        )
        parser.add_argument(
            "--take-back",
            metavar="ID",
            nargs="?",
            const="last",
            help="take back your message ID (default: your last) while no prompt has carried it, and say nothing",
        )
        parser.epilog = "The next prompt carries it; overnight status shows whether it was delivered and answered."


def run(args: argparse.Namespace, out: Output) -> int:
    """Send it."""
    if getattr(args, "take_back", None):
        return _only_take_back(args, out)
    text = sys.stdin.read() if args.text == ["-"] else " ".join(args.text)
    if not text.strip():
        raise Usage(f"overnight {args.verb}: the text is empty")
    paths = session_of(args)
    _check_words(args, paths)
    sent = {"text": text.strip()}
    if getattr(args, "which", None):
        state, _ = seen_now(paths)
        sent["run"] = str(experiment_of(args.which, state, paths.name).run)
    if getattr(args, "instead", None):
        _take_back(paths, _mine(args.instead, seen_now(paths)[0]), args.wait)
    # A message is answered only when a prompt has carried it, which may take an experiment: claimed is enough.
    wait = min(args.wait, 2.0) if args.verb == "say" else args.wait
    return send(paths, args.verb, sent, Seen(), out, wait)


def _check_words(args: argparse.Namespace, paths: SessionPaths) -> None:
    """Refuse `note NAME "words"`: other verbs name the session so, and here NAME would be taken for a word."""
    first = args.text[0] if len(args.text) > 1 and not args.named else ""
    if first and "/" not in first and SessionPaths(sessions_dir(args.sessions) / first).exists:
        raise Usage(
            f"overnight {args.verb}: {first} is a session: for words to it, overnight {args.verb} -s {first} TEXT;"
            f" for words to {paths.name} that begin with {first}, put all of them into one pair of quotes"
        )


def _only_take_back(args: argparse.Namespace, out: Output) -> int:
    if args.text or args.instead:
        raise Usage("overnight say: --take-back says nothing: no TEXT, and no --instead, beside it")
    paths = session_of(args)
    return send(paths, "unsay", {"id": _mine(args.take_back, seen_now(paths)[0])}, Seen(), out, args.wait)


def _take_back(paths: SessionPaths, id: str, wait_s: float) -> None:
    from engine.loop.byhand import send as deliver

    outcome = deliver(paths, request("unsay", {"id": id}, operator()), wait_s=wait_s)
    if outcome.status != "done":
        raise Refused(f"say: {outcome.answer}; nothing was said instead")


def _mine(id: str, state: State) -> str:
    """The id of the message to take back: `id`, or the sender's own last one that is still queued."""
    if id != "last":
        return id
    queued = [command.id for command in state.undelivered() if command.by == operator()]
    if not queued:
        raise Refused("you have no message that is still waiting: each was carried by a prompt, or taken back")
    return queued[-1]
