"""The swarm that a verb speaks of: that of its session, reached with the session's key."""

import argparse
from pathlib import Path

import msgspec

from engine.cli.parsing import add_session, session_of
from engine.cli.trouble import Refused
from engine.session.journal import read
from engine.session.paths import SessionPaths
from engine.session.state import State
from engine.swarm.api import Swarm
from engine.swarm.keys import KeyPair
from engine.swarm.membership import Membership, load, reach
from engine.swarm.records import Klass

CALL_S = 10.0


class Belonging(msgspec.Struct, frozen=True):
    """A session, its membership and key, and the swarm (not asked yet)."""

    paths: SessionPaths
    membership: Membership
    key: KeyPair
    swarm: Swarm


def add_swarm(parser: argparse.ArgumentParser) -> None:
    """The session whose swarm is meant, by -s."""
    add_session(parser, positional=False)


def membership_of(args: argparse.Namespace) -> tuple[SessionPaths, Membership]:
    """The session and its membership. Errors: NoSession, Refused, SwarmError."""
    paths = session_of(args)
    membership = load(paths.private)
    if membership is None:
        raise Refused(f"{paths.name} is in no swarm; join one: overnight swarm join FILE-or-URL -s {paths.name}")
    return paths, membership


def belonging(args: argparse.Namespace) -> Belonging:
    """Everything that a call needs. Errors: NoSession, Refused, SwarmError."""
    paths, membership = membership_of(args)
    key = KeyPair.load(Path(membership.key))
    return Belonging(paths, membership, key, reach(membership.where, key, CALL_S, membership.swarm))


def class_of(paths: SessionPaths, state: State | None = None) -> Klass | None:
    """The class of the session's open segment; None before its first. Errors: JournalError."""
    from engine.loop.ground import klass_of

    state = state or read(paths.journal)
    return klass_of(state, state.segments[-1], paths.root) if state.segments else None
