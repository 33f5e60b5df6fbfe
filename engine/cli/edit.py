"""edit: one setting of overnight.toml, refused here when it could never be accepted."""

import argparse

from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.sender import add_wait, send
from engine.cli.trouble import Refused
from engine.session import settings
from engine.session.inbox import Seen
from engine.session.paths import SessionPaths


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("key", metavar="KEY", help="section.key, for example gate.kind or run.timeout_s")
    parser.add_argument("value", metavar="VALUE", help="a number, true or false, a list as TOML writes it, or a text")
    add_session(parser)
    add_wait(parser)
    parser.epilog = (
        "It takes effect between two experiments. A key of metric, run or scope opens a new segment: the baseline is"
        " measured again."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Check it and send it."""
    paths = session_of(args)
    check(paths, args.key, args.value)
    sent = {"key": args.key, "value": args.value}
    opens = {"opens_segment": settings.opens_segment(args.key)}
    return send(paths, "edit", sent, Seen(), out, args.wait, {**sent, **opens})


def check(paths: SessionPaths, key: str, value: str) -> None:
    """Refuse what would be refused later. Errors: SettingsError, Refused."""
    import tomlkit.exceptions

    from engine.loop.editing import edited

    text = paths.settings.read_text(encoding="utf-8") if paths.settings.exists() else ""
    try:
        settings.parse(edited(text, key, value), str(paths.settings))
    except tomlkit.exceptions.TOMLKitError as error:
        raise Refused(f"{paths.settings}: {error}; nothing was changed") from error
