"""grow: the growth search, from a session's own settings, a configuration or a log; or a growth log looked at."""

import argparse
import os
from pathlib import Path
from typing import Any

import msgspec

from engine.cli.edit import check
from engine.cli.output import Output
from engine.cli.parsing import add_session, session_of
from engine.cli.trouble import DONE, Refused, Usage
from engine.session.inbox import Seen, request
from engine.session.locking import engine_of
from engine.session.operator import operator
from engine.session.paths import SessionPaths
from engine.session.settings import load

OPTIONS = ("iterations", "rounds", "seeds", "cost", "max_iters_increase", "layers", "how", "flags_file")


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    add_session(parser)
    parser.add_argument("--view", type=Path, metavar="FILE", help="only show this growth log, live")
    parser.add_argument("--config", type=Path, metavar="FILE", help="start from these settings: YAML, NAME: value")
    parser.add_argument("--continue", dest="log", type=Path, metavar="FILE", help="go on from this growth log")
    parser.add_argument(
        "--override", action="append", default=[], metavar="KEY=VALUE", help="from now on; max_iters is the length"
    )
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=INCREMENT", help="what is raised, by what"
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="multiples of each increment (default: 1)")
    parser.add_argument("--rounds", type=int, metavar="N", help="at most so many; 0 = until nothing helps")
    parser.add_argument("--seeds", type=int, metavar="N", help="trials of each candidate (default: 1)")
    parser.add_argument("--cost", choices=("params", "vram", "iter"), help="what a gain is divided by")
    parser.add_argument("--max-iters-increase", type=float, metavar="N", help="a longer training when nothing helps")
    parser.add_argument("--layers", choices=("middle", "each"), help="which layer a new one is a copy of")
    parser.add_argument("--how", choices=("constants", "flags"), help="where the settings stand")
    parser.add_argument("--flags-file", metavar="NAME", help="how flags: the file they are in (default: train.args)")
    parser.add_argument("--foreground", action="store_true", help="stay, and tell what happens")
    parser.add_argument("--no-start", action="store_true", help="only set it up")
    parser.epilog = (
        "Each round raises every parameter by its increment and keeps the step that wins most score, 1/exp(val_loss),"
        " for its cost. The search is written to grow.yaml in the session's folder."
    )


def run(args: argparse.Namespace, out: Output) -> int:
    """Set it up and start it, or look at a file."""
    if args.view is not None:
        return _view(args.view)
    paths = session_of(args)
    settings = {f"grow.{name}": getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    given = dict(_pair(text, "--param") for text in args.param)
    if given:
        settings["grow.parameters"] = "{" + ", ".join(f'"{name}" = {value}' for name, value in given.items()) + "}"
    wanted = {"researcher.kind": "grow", **settings}
    _check(paths, wanted)  # a running engine answers an edit only when its experiment is over
    if given:
        _known(paths, list(given), args, out)
    config = _config(args, paths)
    _check(paths, {name: value for name, value in config.items() if "." in name})
    done = _set(paths, wanted, out)
    done |= _training(paths, config, out)
    if args.no_start or engine_of(paths.lock) is not None:
        how = "its engine takes it up between two experiments" if engine_of(paths.lock) else "overnight start begins it"
        out.result({"session": paths.name, "set": done, "started": False}, f"{paths.name}: the growth search; {how}")
        return DONE
    from engine.cli.start import daemon, foreground

    return (foreground if args.foreground else daemon)(paths, None, False, out)


def _check(paths: SessionPaths, wanted: dict[str, Any]) -> None:
    """Refuse what would be refused later, before anything is changed. Errors: SettingsError, Refused."""
    for key, value in wanted.items():
        check(paths, key, _written(value))


def _known(paths: SessionPaths, names: list[str], args: argparse.Namespace, out: Output) -> None:
    """Tell which parameters the session does not have. Errors: Refused where it has none of them."""
    from engine.loop.growthsetup import nowhere
    from engine.researchers.base import ResearcherFailed

    now = load(paths.settings)
    grow = msgspec.structs.replace(
        now.grow, how=args.how or now.grow.how, flags_file=args.flags_file or now.grow.flags_file
    )
    try:
        unknown = nowhere(paths, names, msgspec.structs.replace(now, grow=grow))
    except ResearcherFailed as error:
        raise Refused(str(error)) from error
    told = f"{', '.join(unknown)}: nothing in {', '.join(now.scope.editable)} is called so"
    if len(unknown) == len(names):
        raise Refused(f"--param {told}; nothing was changed")
    if unknown:
        out.narrate(f"left out, --param {told}")


def _view(path: Path) -> int:
    from engine.cli.front import console_command
    from engine.session.growthread import read

    read(path)  # a file that is none is told of here, and not by an empty screen
    command = console_command(["grow", str(path)])
    os.execv(command[0], command)


def _config(args: argparse.Namespace, paths: SessionPaths) -> dict[str, Any]:
    """The training's settings to start from: of the log or the file, and what is overridden."""
    found: dict[str, Any] = {}
    if args.log is not None and args.config is not None:
        raise Usage("overnight grow: --continue and --config both say what to start from; leave one out")
    if args.log is not None:
        from engine.loop.growthsetup import go_on_from
        from engine.session.growthread import config_of

        found = config_of(go_on_from(paths, args.log, operator()))
    elif args.config is not None:
        found = _mapping(args.config)
    import yaml

    for text in args.override:
        name, value = _pair(text, "--override")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[name] = value
    return found


def _mapping(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise Refused(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise Refused(f"{path}: expected settings, one NAME: value a line")
    return {str(name): value for name, value in found.items()}


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise Usage(
            f"overnight grow: {option} {text}: expected {'NAME=INCREMENT' if option == '--param' else 'KEY=VALUE'}"
        )
    return name.strip(), value.strip()


def _training(paths: SessionPaths, config: dict[str, Any], out: Output) -> dict[str, str]:
    """Set what of `config` differs, each by a command of its own that the journal keeps."""
    if not config:
        return {}
    from engine.loop.growthsetup import differing
    from engine.researchers.base import ResearcherFailed

    settings = {name: value for name, value in config.items() if "." in name}
    done = _set(paths, settings, out)
    try:
        found = differing(paths, {n: v for n, v in config.items() if n not in settings}, load(paths.settings))
    except ResearcherFailed as error:
        raise Refused(str(error)) from error
    _check(paths, {name: value for name, value in found.edits.items() if "." in name})
    if found.unknown:
        out.narrate(f"left out, for nothing in {paths.name} is called so: {', '.join(found.unknown)}")
    return done | _set(paths, found.edits, out)


def _set(paths: SessionPaths, wanted: dict[str, Any], out: Output) -> dict[str, str]:
    """Send what is not so yet. Errors: Refused with the session's reason."""
    from engine.loop.byhand import send

    done: dict[str, str] = {}
    for key, value in wanted.items():
        text = _written(value)
        if "." in key and _present(paths, key) == text:
            continue
        outcome = send(paths, request("edit", {"key": key, "value": text}, operator(), Seen()))
        if outcome.status == "refused":
            raise Refused(f"{key}: {outcome.answer}")
        out.narrate(f"{key} = {text}: {outcome.answer}")
        done[key] = text
    return done


def _written(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _present(paths: SessionPaths, key: str) -> str:
    section, _, name = key.partition(".")
    found = getattr(getattr(load(paths.settings), section, None), name, None)
    return f"{found:g}" if isinstance(found, float) else str(found)
