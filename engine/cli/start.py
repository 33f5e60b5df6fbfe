"""start: a session's engine, as a daemon or in the foreground."""

import argparse
import signal
from types import FrameType

import msgspec

from engine.cli.output import Output
from engine.cli.parsing import add_session, own_session_of
from engine.cli.trouble import DONE, INTERRUPTED, Usage
from engine.session.journal import read
from engine.session.paths import SessionPaths
from engine.session.settings import Limits, load


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument("--foreground", action="store_true", help="stay, and tell what happens; ^C ends it in order")
    add_limits(parser)
    parser.add_argument("--jobs", action="store_true", help="do the queued work (rerun, profile, sample) and leave")
    parser.add_argument("--gpu", metavar="WHICH", help="this GPU: its index, its UUID, or a MIG instance's (1:0)")
    parser.add_argument("--no-fit", action="store_true", help="do not look for what fits the GPU at the first start")
    parser.add_argument(
        "--dirty", action="store_true", help="take uncommitted edits of the editable files as the new start"
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Where the engine is to end by itself."""
    parser.add_argument(
        "--experiments", type=int, metavar="N", help="end after N experiments, the baseline not counted"
    )
    parser.add_argument("--hours", type=float, metavar="H", help="end after H hours")
    parser.add_argument("--cost-usd", type=float, metavar="USD", help="end when thinking has cost USD dollars")
    parser.add_argument("--tokens", type=int, metavar="N", help="end when thinking has used N tokens")


def run(args: argparse.Namespace, out: Output) -> int:
    """Start it."""
    paths = own_session_of(args)
    limits = limits_of(args, paths)
    if args.foreground:
        return foreground(paths, limits, args.dirty, out, args.gpu, not args.no_fit, args.jobs)
    return daemon(paths, limits, args.dirty, out, args.gpu, not args.no_fit, args.jobs)


def limits_of(args: argparse.Namespace, paths: SessionPaths) -> Limits | None:
    """The session's limits with those of the command line in their place; None when there are none of these."""
    given: dict[str, float] = {}
    for name in ("experiments", "hours", "cost_usd", "tokens"):
        value = getattr(args, name)
        if value is not None and not 0 <= value < float("inf"):
            option = f"--{name.replace('_', '-')}"
            raise Usage(f"overnight {args.verb}: {option} is {value}; expected a number of at least 0 (0 = no limit)")
        if value is not None:
            given[name] = value
    return msgspec.structs.replace(load(paths.settings).limits, **given) if given else None


def daemon(
    paths: SessionPaths,
    limits: Limits | None,
    dirty: bool,
    out: Output,
    gpu: str | None = None,
    fit: bool = True,
    jobs: bool = False,
) -> int:
    """Start it in a session of its own and return. Errors: LaunchRefused."""
    from engine.loop.launch import start_daemon

    launched = start_daemon(paths, limits=limits, dirty=dirty, jobs_only=jobs, gpu=gpu, fit=fit)
    out.result(
        {"session": paths.name, "path": str(paths.root), "pid": launched.pid, "start_id": launched.start_id},
        f"{paths.name}: engine started, process {launched.pid}\n"
        f"watch it: overnight attach {paths.name}   how it stands: overnight status {paths.name}"
        f"   end it: overnight stop {paths.name}",
    )
    return DONE


def foreground(
    paths: SessionPaths,
    limits: Limits | None,
    dirty: bool,
    out: Output,
    gpu: str | None = None,
    fit: bool = True,
    jobs: bool = False,
) -> int:
    """Run it here until it ends. Errors: LaunchRefused."""
    from engine.cli.foreground import Foreground
    from engine.loop.main import run as run_engine

    with Foreground(paths.run_log) as told:
        interrupted: list[int] = []

        def ready() -> None:
            """The engine's handlers stand now: tell the first ^C before they act on it."""
            inner = signal.getsignal(signal.SIGINT)

            def on_interrupt(number: int, frame: FrameType | None) -> None:
                if not interrupted:
                    told.tell_at_once(
                        "stopping: the running experiment is aborted, and the champion's files come back …"
                    )
                interrupted.append(number)
                if callable(inner):
                    inner(number, frame)

            signal.signal(signal.SIGINT, on_interrupt)

        heard = (told.heard,)
        reason = run_engine(
            paths, limits=limits, dirty=dirty, jobs_only=jobs, gpu=gpu, fit=fit, listeners=heard, ready=ready
        )
    by_signal = bool(interrupted) or reason.startswith("interrupted by ")
    state = read(paths.journal)
    champion = state.champion
    out.result(
        {
            "session": paths.name,
            "path": str(paths.root),
            "reason": reason,
            "interrupted": by_signal,
            "experiments": len(state.experiments),
            "champion": {"run": champion.run, "metric": champion.metric} if champion else None,
        },
        "",
    )
    return INTERRUPTED if by_signal else DONE
