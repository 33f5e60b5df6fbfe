"""The database of a swarm as its owner names it on the command line, and numbers within bounds."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.parsing import folder
from engine.cli.swarm.init import FILE
from engine.cli.trouble import Refused

if TYPE_CHECKING:
    from engine.swarm.store.store import Store

DATABASE = "OVERNIGHT_SWARM_DATABASE"


def add_database(parser: argparse.ArgumentParser) -> None:
    """--database."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help=f"postgresql://… or a file for SQLite (default: {DATABASE}, else {FILE} in the sessions folder)",
    )


def store_of(args: argparse.Namespace, new: bool = False) -> "Store":
    """The store in the database that is named. Errors: SwarmError, Refused."""
    needs("sqlalchemy", "cryptography")
    from engine.swarm import embedded
    from engine.swarm.store.database import connect
    from engine.swarm.store.store import Limits, Store

    url = args.database or os.environ.get(DATABASE, "") or str(folder(args) / FILE)
    rate = getattr(args, "member_rate", None)
    limits = Limits(rate=rate, burst=40 * rate) if rate else None
    if "://" not in url:
        path = Path(url).expanduser().absolute()
        if path.is_file():
            return embedded.open(path, limits)
        if new:
            return embedded.create(path, args.name, limits=limits)
        raise Refused(f"{path}: there is no swarm; overnight swarm serve makes one, --database names another")
    engine = connect(url)
    if engine.dialect.name == "sqlite" and engine.url.database:
        embedded.refuse_network(Path(engine.url.database).absolute())
    return Store(engine, limits)


def needs(*names: str) -> None:
    """Errors: Refused where a package of the swarm's extra is not installed."""
    from importlib.util import find_spec

    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise Refused(f"a hub needs {' and '.join(missing)}; install: pip install 'overnight[swarm]'")


def between(text: str, least: float, most: float) -> float:
    """A number of an option. Errors: argparse.ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from {least:g} to {most:g}")
    return found
