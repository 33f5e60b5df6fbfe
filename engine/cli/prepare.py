"""prepare: a session's data, tokenizer and tokens, once for all its experiments."""

import argparse
from contextlib import closing
from typing import Any

from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, session_of
from engine.cli.trouble import DONE, Refused
from engine.session.locking import Held, Lock
from engine.session.paths import SessionPaths


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument("--shards", type=int, metavar="N", help="training shards of climbmix to fetch")
    parser.epilog = "What is there already stays; it can be repeated, and goes on where it was interrupted."


def run(args: argparse.Namespace, out: Output) -> int:
    """Do it, and tell what is there now."""
    paths = session_of(args)
    extra = ["--shards", str(args.shards)] if args.shards is not None else []
    made = prepare_session(paths, out, extra)
    text = f"{paths.name}: {made.get('data', 'its data')} is ready"
    if "train_docs" in made:
        text += (
            f", {made['train_docs']:,} documents to train on, {made['val_docs']:,} to validate on, in {made['cache']}"
        )
    out.result({"session": paths.name, **made}, safe(text))
    return DONE


def prepare_session(paths: SessionPaths, out: Output, extra: list[str]) -> dict[str, Any]:
    """Run its prepare.py, and pin the data where that was left open. Errors: PreparationError, Refused, GitTrouble."""
    from engine.work.constants import read_constants
    from engine.work.preparation import FILE, pin_data, prepare
    from engine.work.repo import Repo

    made = prepare(paths.root, arguments=extra, on_progress=out.narrate)
    digest = str(made.get("data_hash") or "")
    constants = read_constants((paths.root / FILE).read_text(encoding="utf-8"))
    if digest and constants.get("DATA_HASH") in ('""', "''"):
        # The engine commits too: never both at once.
        try:
            with Lock(paths.lock, "prepare", kind="hand"), closing(Repo(paths.root, paths.name)) as repo:
                if pin_data(paths.root, digest):
                    repo.commit_session("pin the data", names=[FILE])
        except Held as held:
            raise Refused(
                f"the data is ready, but {held}, so its hash could not be pinned in {FILE};"
                f" overnight stop {paths.name}, then prepare again"
            ) from held
    return made
