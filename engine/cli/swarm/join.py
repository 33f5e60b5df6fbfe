"""swarm join and leave: a session's membership, with a key of its own."""

import argparse
import platform
import socket
from pathlib import Path

from engine.cli.output import Output, safe
from engine.cli.parsing import add_session, own_session_of
from engine.cli.swarm.belonging import membership_of
from engine.cli.swarm.init import FILE
from engine.cli.trouble import DONE, Refused, Usage
from engine.session.journal import read
from engine.session.locking import engine_of
from engine.session.operator import operator
from engine.session.paths import SessionPaths, sessions_dir
from engine.swarm import calls, membership
from engine.swarm.api import Swarm, SwarmError
from engine.swarm.keys import KeyPair


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What they take."""
    if verb == "swarm join":
        parser.add_argument("where", nargs="?", metavar="FILE-or-URL", help=f"the swarm (default: {FILE} beside it)")
        parser.add_argument("--name", metavar="NAME", help="your name in the swarm (default: user-session)")
        parser.add_argument("--invitation", default="", metavar="TOKEN", help="a hub asks for one")
        parser.add_argument("--email", default="", metavar="ADDRESS", help="where the hub sends a code")
        parser.add_argument("--code", default="", metavar="CODE", help="the code that came by e-mail: ends the joining")
        choices = ("off", "verified")
        parser.add_argument(
            "--auto-adopt", choices=choices, help="verified: try the class's verified best by itself, in your own lab"
        )
    add_session(parser, positional=False)


def run(args: argparse.Namespace, out: Output) -> int:
    """Join, or leave."""
    return _join(args, out) if args.verb == "swarm join" else _leave(args, out)


def _join(args: argparse.Namespace, out: Output) -> int:
    paths = own_session_of(args)
    where = args.where or str(sessions_dir(args.sessions) / FILE)
    where = where if membership.is_hub(where) else str(Path(where).absolute())
    before = membership.load(paths.private)
    if before is not None and before.where != where:
        raise Refused(f"{paths.name} is in the swarm {safe(before.title)}; leave it first: overnight swarm leave")
    key, path = membership.own_key(paths.private)
    swarm = membership.reach(where, key)
    name = args.name or (before.name if before else f"{operator()}-{paths.name}"[:32])
    try:
        member = _admitted(swarm, where, key, name, args)
    except SwarmError as error:
        if error.code != "revoked":
            raise
        raise SwarmError(f"{error}; a new one is made once {path} is moved away", error.code) from error
    if member is None:
        said = f"a code is on its way to {args.email}; then: overnight swarm join {where} --code CODE -s {paths.name}"
        out.result({"waiting": True}, safe(said))
        return DONE
    if before is None:
        ended = sum(experiment.phase == "ended" for experiment in read(paths.journal).experiments)
        membership.save(paths.private, membership.fresh(where, swarm.connect(), member, key, path, ended))
    _set(paths, args.auto_adopt)
    now = membership.load(paths.private)
    assert now is not None
    later = "; the engine that runs joins at its next start" if engine_of(paths.lock) else ""
    document = {"session": paths.name, "swarm": now.title, "where": where, "name": now.name, "member": now.member}
    out.result(document, safe(f"{paths.name} is in the swarm {now.title} as {now.name}{later}"))
    return DONE


def _admitted(swarm: Swarm, where: str, key: KeyPair, name: str, args: argparse.Namespace) -> str | None:
    """The name under which the key is a member now; None where a code was sent. Errors: SwarmError."""
    if args.code:
        if not (args.code.isdecimal() and len(args.code) == 8):
            raise Usage(
                f"overnight swarm join: a code has 8 digits, and {args.code!r} has not; look at the newest mail"
            )
        return swarm.verify(key.member, args.code).name
    invitation = args.invitation
    if not membership.is_hub(where):
        from engine.swarm.store.store import Store

        if not isinstance(swarm, Store):
            raise SwarmError(f"{where}: not a swarm of this machine", "schema")
        invitation = swarm.invite(uses=1, hours=1.0)  # whoever may write the file may let in
    elif not invitation:
        raise Usage("overnight swarm join: a hub asks for an invitation: --invitation TOKEN")
    proof = key.sign(calls.joining(swarm.connect().swarm, invitation, name, key.public))
    machine = f"{socket.gethostname()}, {platform.machine()}"
    found = swarm.join(invitation, name, key.public, proof, args.email, machine)
    return None if found is None else found.name


def _set(paths: SessionPaths, auto_adopt: str | None) -> None:
    if auto_adopt is None:
        return
    from engine.loop.byhand import send
    from engine.session.inbox import request

    edit = request("edit", {"key": "swarm.auto_adopt", "value": auto_adopt}, operator())
    outcome = send(paths, edit, wait_s=5.0)
    if outcome.status == "refused":
        raise Refused(f"joined, but swarm.auto_adopt was not set: {outcome.answer}")


def _leave(args: argparse.Namespace, out: Output) -> int:
    paths, before = membership_of(args)
    from engine.swarm.outbox import Outbox

    waiting = len(Outbox(paths.outbox).waiting())
    membership.end(paths.private)
    said = f"{paths.name} has left the swarm {before.title}; its results stay there"
    said += f"; {waiting} records were never delivered and stay in {paths.outbox}" if waiting else ""
    said += "; the engine that runs leaves at its end" if engine_of(paths.lock) else ""
    out.result({"session": paths.name, "swarm": before.title, "undelivered": waiting}, safe(said))
    return DONE
