"""`make bench`: every benchmark, each against its reference in the same run; `python -m tests.bench NAME` for one."""

import importlib
import sys

BENCHES = ("engine", "packing", "training", "table", "runlog", "console", "prompt", "swarm")


def main() -> None:
    """Run the named benches, all by default, one after the other."""
    for name in sys.argv[1:] or BENCHES:
        print(f"── {name}", flush=True)
        importlib.import_module(f"tests.bench.bench_{name}").main()


if __name__ == "__main__":
    main()
