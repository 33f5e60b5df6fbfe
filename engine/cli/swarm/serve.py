"""swarm serve, invite and revoke: a hub, and what its owner does. The owner is whoever can open the hub's database."""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import Output, safe
from engine.cli.parsing import folder
from engine.cli.swarm.init import FILE
from engine.cli.trouble import DONE, Refused, Usage

if TYPE_CHECKING:
    from engine.swarm.store.store import Store

DATABASE = "OVERNIGHT_SWARM_DATABASE"

OPEN = """\
anyone who can reach {address} can call this hub, and without TLS whoever is between can read along and hold calls up
(not forge them). Put a reverse proxy with TLS before it, or give --tls-certificate and --tls-key"""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What each takes."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help=f"postgresql://… or a file for SQLite (default: {DATABASE}, else {FILE} in the sessions folder)",
    )
    if verb.endswith("invite"):
        parser.add_argument(
            "--uses", type=_count, default=1, metavar="N", help="how many can join with it (default: 1)"
        )
        parser.add_argument("--hours", type=_hours, default=168.0, metavar="H", help="until it ends (default: 168)")
        return
    if verb.endswith("revoke"):
        parser.add_argument("name", metavar="MEMBER", help="a member's name, as overnight swarm leaderboard shows it")
        parser.add_argument(
            "--results", action="store_true", help="withdraw its results, verified ones too: for who cheated"
        )
        return
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=_port, default=8750, metavar="N", help="default: 8750; 0 = a free one")
    parser.add_argument("--name", default="swarm", help="the swarm's name, when it is made (default: swarm)")
    parser.add_argument("--tls-certificate", metavar="FILE", help="serve https with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="and this key (PEM)")
    parser.add_argument("--proxy", default="", metavar="ADDRESS", help="believe X-Forwarded-For of this reverse proxy")
    parser.add_argument("--open-reads", action="store_true", help="let anybody read; only members write in any case")
    parser.add_argument("--rate", type=_rate, metavar="N", help="calls a second that are taken of one address")
    parser.add_argument("--member-rate", type=_rate, metavar="N", help="calls a second that are taken of one member")
    parser.epilog = (
        "With OVERNIGHT_SMTP_HOST (and _PORT, _USER, _PASSWORD, _FROM, _TLS) who joins proves an e-mail address.\n"
        "A password in the database's URL is seen by this machine's other users: give the URL in the environment, or\n"
        "let PostgreSQL's own ~/.pgpass hold it."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Do it."""
    if args.verb.endswith("invite"):
        return _invite(args, out)
    if args.verb.endswith("revoke"):
        member = _store(args).revoke(args.name, args.results)
        what = "its results are withdrawn" if args.results else "what nobody else measured is set aside"
        out.result(member, safe(f"{member.name} is revoked: its verdicts count no more, and {what}"))
        return DONE
    return _serve(args, out)


def _invite(args: argparse.Namespace, out: Output) -> int:
    store = _store(args)
    welcome = store.connect()
    token = store.invite(args.uses, args.hours)
    until = welcome.now + args.hours * 3600
    ends = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    many = "one member" if args.uses == 1 else f"{args.uses} members"
    out.narrate(f"an invitation to {welcome.name} for {many}, until {ends}, shown this once; they join with:")
    out.narrate("overnight swarm join ADDRESS-OF-THE-HUB --invitation TOKEN")
    out.result({"invitation": token, "swarm": welcome.name, "uses": args.uses, "until": until}, token)
    return DONE


def _serve(args: argparse.Namespace, out: Output) -> int:
    if bool(args.tls_certificate) != bool(args.tls_key):
        raise Usage("--tls-certificate and --tls-key go together")
    from importlib.metadata import version

    _needs("starlette", "uvicorn")
    from engine.swarm.hub import serving
    from engine.swarm.hub.app import BURST, RATE, app
    from engine.swarm.hub.mail import sender

    store = _store(args, new=True)
    store.mail = sender()
    welcome = store.create(args.name)
    rate = args.rate or RATE
    service = app(store, version("overnight"), args.open_reads, rate, BURST * rate / RATE)
    server = serving.server(service, args.tls_certificate or "", args.tls_key or "", args.proxy)
    with serving.listen(args.host, args.port) as listening:
        secure = bool(args.tls_certificate)
        address = serving.address_of(listening, secure)
        if not (serving.is_loopback(args.host) or secure):
            out.narrate(f"warning: {OPEN.format(address=address)}")

        def ready() -> None:
            text = f"hub of {welcome.name} on {address} (what it can be asked: {address}/); Ctrl+C ends it"
            out.result({"url": address, "swarm": welcome.swarm, "name": welcome.name, "pid": os.getpid()}, safe(text))
            sys.stdout.flush()  # whoever started it waits for this line

        serving.serve(server, listening, ready)
    out.narrate("the hub has ended; members go on alone and deliver later")
    return DONE


def _store(args: argparse.Namespace, new: bool = False) -> "Store":
    """The store in the database that is named. Errors: SwarmError, Refused."""
    _needs("sqlalchemy", "cryptography")
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


def _needs(*names: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise Refused(f"a hub needs {' and '.join(missing)}; install: pip install 'overnight[swarm]'")


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 10000")
    return int(text)


def _hours(text: str) -> float:
    return _between(text, 0.01, 24 * 366)


def _rate(text: str) -> float:
    return _between(text, 0.1, 1e6)


def _between(text: str, least: float, most: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from {least:g} to {most:g}")
    return found
