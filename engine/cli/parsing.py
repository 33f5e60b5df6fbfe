"""Arguments that verbs share, and a parser whose mistakes are told like every other error."""

import argparse
from pathlib import Path
from typing import NoReturn

from engine.cli.trouble import Refused, Usage
from engine.session.paths import RECORDING, SessionPaths, find, sessions_dir
from engine.session.state import Experiment, State


class Parser(argparse.ArgumentParser):
    """Raises Usage instead of leaving."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{self.format_usage().rstrip()}\n{self.prog}: {message}")


def parser_for(verb: str, summary: str) -> Parser:
    """A parser with what every verb takes."""
    parser = Parser(
        prog=f"overnight {verb}",
        description=summary[0].upper() + summary[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")
    parser.add_argument("--sessions", metavar="DIR", help="where sessions live")
    return parser


def add_session(parser: argparse.ArgumentParser, positional: bool = True) -> None:
    """SESSION: by `-s`, and as the last positional argument where that cannot be taken for something else."""
    if positional:
        parser.add_argument(
            "session", nargs="?", metavar="SESSION", help="a session's name or path (default: the newest)"
        )
    parser.add_argument("-s", "--session", dest="named", metavar="SESSION", help="a session's name or path")


def add_run(parser: argparse.ArgumentParser, extra: str = "") -> None:
    """RUN: an experiment's number, or a word for one."""
    parser.add_argument("which", metavar="RUN", help="an experiment's number, or: champion" + extra)


def optional_run(parser: argparse.ArgumentParser) -> None:
    """RUN, the champion without one; the session is then named by -s alone."""
    parser.add_argument(
        "which", nargs="?", default="champion", metavar="RUN", help="an experiment's number (default: the champion)"
    )


def session_of(args: argparse.Namespace) -> SessionPaths:
    """The session the arguments name. Errors: NoSession, Usage."""
    given = getattr(args, "session", None)
    if given and args.named and given != args.named:
        raise Usage(f"two sessions are named: {given} and {args.named}; leave one out")
    return find(given or args.named, sessions_dir(args.sessions))


def own_session_of(args: argparse.Namespace) -> SessionPaths:
    """The session the arguments name, for a verb that changes it before it needs its repository.

    Errors: NoSession, Usage; Refused for a recording.
    """
    paths = session_of(args)
    if paths.recorded:
        raise Refused(f"{paths.root} is not a git repository: it is {RECORDING}")
    return paths


def experiment_of(word: str, state: State, name: str) -> Experiment:
    """The experiment that `word` means in the session `name`. Errors: Usage, Refused."""
    if word in ("champion", "current", "baseline"):
        found = {"champion": state.champion, "current": state.current, "baseline": state.baseline}[word]
        if found is None:
            raise Refused(f"{name} has no {word} {'experiment ' if word == 'current' else ''}now")
        return found
    digits = word.removeprefix("#")
    if not digits.isdecimal():
        raise Usage(f"RUN is {word!r}; expected an experiment's number, as the first column of overnight log shows it")
    experiment = state.experiment(int(digits))
    if experiment is None:
        last = len(state.experiments)
        there = f"its experiments are 1 to {last}" if last else "it has no experiments yet"
        raise Refused(f"{name} has no run {int(digits)}; {there}")
    return experiment


def folder(args: argparse.Namespace) -> Path:
    """The sessions folder."""
    return sessions_dir(args.sessions)
