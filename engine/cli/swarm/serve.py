"""swarm serve: a hub for many machines."""

import argparse
import os
import sys

from engine.cli.output import Output, safe
from engine.cli.swarm.database import add_database, between, needs, store_of
from engine.cli.trouble import DONE, Usage

OPEN = """\
anyone who can reach {address} can call this hub, and without TLS whoever is between can read along and hold calls up
(not forge them). Put a reverse proxy with TLS before it, or give --tls-certificate and --tls-key"""


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_database(parser)
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
    """Serve until it is interrupted."""
    if bool(args.tls_certificate) != bool(args.tls_key):
        raise Usage("--tls-certificate and --tls-key go together")
    from importlib.metadata import version

    needs("starlette", "uvicorn")
    from engine.swarm.hub import serving
    from engine.swarm.hub.app import BURST, RATE, app
    from engine.swarm.hub.mail import sender

    store = store_of(args, new=True)
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


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected a number from 0 to 65535")
    return int(text)


def _rate(text: str) -> float:
    return between(text, 0.1, 1e6)
