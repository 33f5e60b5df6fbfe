"""swarm init: a swarm in one file, for the sessions of this machine."""

import argparse
from pathlib import Path

from engine.cli.output import Output, safe
from engine.cli.parsing import folder
from engine.cli.trouble import DONE

FILE = "swarm.db"


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"where (default: {FILE} in the sessions folder)")
    parser.add_argument("--name", default="lab", metavar="NAME", help="what it is called (default: %(default)s)")
    parser.epilog = "Sessions join it with: overnight swarm join FILE. Many machines need a hub: overnight swarm serve."


def run(args: argparse.Namespace, out: Output) -> int:
    """Make it."""
    from engine.swarm import embedded

    path = Path(args.file).absolute() if args.file else folder(args) / FILE
    welcome = embedded.create(path, args.name).connect()
    document = {"file": str(path), "swarm": welcome.swarm, "name": welcome.name}
    out.result(document, safe(f"the swarm {welcome.name} is in {path}; join it: overnight swarm join {path}"))
    return DONE
