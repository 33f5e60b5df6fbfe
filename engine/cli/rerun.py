"""rerun: a run's commit, seed and budget once more, and how far the metric is from what it was."""

import argparse

from engine.cli import figures, queued
from engine.cli.output import Output, safe
from engine.cli.parsing import add_run, add_session, experiment_of, session_of
from engine.session.journal import read


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_run(parser, ", baseline")
    add_session(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="another seed (default: the run's own)")
    parser.add_argument(
        "--dirty", action="store_true", help="measure with the uncommitted edits, whose difference is recorded"
    )
    parser.epilog = (
        "It is no experiment: nothing is kept or discarded by it. An engine does it between two experiments; without"
        " one, one is started that does this and leaves."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Ask, wait, and tell the old metric beside the new one."""
    paths = session_of(args)
    state = read(paths.journal)
    experiment = experiment_of(args.which, state, paths.name)
    sent = {"run": str(experiment.run)}
    if args.seed is not None:
        sent["seed"] = str(args.seed)
    if args.dirty:
        sent["dirty"] = "true"
    ended = queued.do(paths, "rerun", sent, out)
    job = ended.job
    extra: dict[str, object] = {
        "before": experiment.metric,
        "change": figures.difference(job.metric if job else None, experiment.metric),
        "seed": job.seed if job else args.seed,
    }
    return queued.told(paths, ended, out, safe(ended.command.answer), extra)
