"""`python -m engine.loop SESSION`: the daemon. Not for hands: `overnight start` starts it."""

import argparse
import os
import sys
import traceback
from pathlib import Path

import msgspec

from engine.loop.launch import Told
from engine.loop.main import LaunchRefused, run
from engine.session.paths import SessionPaths
from engine.session.settings import Limits


def main() -> int:
    """Run until there is a reason to stop; what went wrong is told to the starter, or lies in engine.log."""
    parser = argparse.ArgumentParser(prog="engine.loop")
    parser.add_argument("session", type=Path)
    parser.add_argument("--start-id", default="")
    parser.add_argument("--tell", type=int, default=-1)
    parser.add_argument("--limits", default="")
    parser.add_argument("--dirty", action="store_true")
    parser.add_argument("--jobs", action="store_true")
    parser.add_argument("--gpu")
    parser.add_argument("--no-fit", action="store_true")
    given = parser.parse_args()
    limits = msgspec.json.decode(given.limits, type=Limits) if given.limits else None
    pipe = [given.tell]

    def tell(told: Told) -> None:
        if pipe[0] >= 0:
            try:
                os.write(pipe[0], msgspec.json.encode(told) + b"\n")
            except BrokenPipeError:
                pass  # whoever started it is gone; the engine goes on
            os.close(pipe[0])
            pipe[0] = -1

    try:
        if pipe[0] >= 0:
            os.set_inheritable(pipe[0], False)
        reason = run(
            SessionPaths(given.session),
            limits=limits,
            dirty=given.dirty,
            stay=True,
            jobs_only=given.jobs,
            gpu=given.gpu,
            fit=not given.no_fit,
            start_id=given.start_id,
            ready=lambda: tell(Told(True)),
        )
    except LaunchRefused as error:
        print(error, file=sys.stderr)
        tell(Told(False, str(error), error.code))
        return error.code
    except Exception as error:
        traceback.print_exc()
        tell(Told(False, f"the engine failed ({error!r}); see .overnight/engine.log", 1))
        return 1
    print(reason, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
