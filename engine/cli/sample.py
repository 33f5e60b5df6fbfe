"""sample: text written by the kept weights of a run."""

import argparse

from engine.cli import queued
from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, experiment_of, optional_run, session_of
from engine.session import samples
from engine.session.journal import read


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    optional_run(parser)
    add_session(parser, positional=False)
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="the text to go on from")
    parser.add_argument("--tokens", type=int, metavar="N", help="tokens to write (default: 100)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 = always the likeliest (default: 0.8)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the draw (default: 1337)")
    parser.epilog = "keep.checkpoints in overnight.toml says of how many champions the weights stay on the disk."


def run(args: argparse.Namespace, out: Output) -> int:
    """Ask, wait, print the text."""
    paths = session_of(args)
    experiment = experiment_of(args.which, read(paths.journal), paths.name)
    sent = {"run": str(experiment.run), "prompt": args.prompt}
    for name in ("tokens", "temperature", "seed"):
        if getattr(args, name) is not None:
            sent[name] = str(getattr(args, name))
    ended = queued.do(paths, "sample", sent, out)
    written = samples.load(paths.job(ended.command.id))
    text = f"{args.prompt}{written[0].written()}" if written else ""
    return queued.told(paths, ended, out, safe(text), {"prompt": args.prompt, "text": text})
