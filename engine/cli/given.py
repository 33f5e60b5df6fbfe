"""What the arguments and the standard input of `overnight record` say was measured."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cli.trouble import Usage, VerbError
from engine.session.metrics import number, parse_metrics
from engine.session.publicrecords import CRASH


def metrics(args: argparse.Namespace) -> dict[str, float]:
    """All that was measured: METRIC lines or their JSON, and what --with adds. Errors: Usage, VerbError."""
    found: dict[str, float] = {}
    if args.metrics or (args.value is None and args.status != CRASH):
        source = args.metrics or "-"
        if source == "-" and not args.metrics and sys.stdin.isatty():
            raise Usage(f"overnight record: {args.status} needs --value, or METRIC lines on standard input")
        try:
            data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        except OSError as error:
            raise VerbError(f"{source}: cannot be read: {error.strerror}") from error
        found |= _read(data, "standard input" if source == "-" else source)
    for name, text in _pairs(args.more, "--with", "NAME=NUMBER").items():
        found[name] = _number(text, f"--with {name}")
    return found


def value(args: argparse.Namespace, measured: dict[str, float], name: str) -> float:
    """The primary metric, which is taken out of `measured`; 0 for a crash. Errors: Usage."""
    primary = measured.pop(name, None)
    if args.status == CRASH:
        if args.value is not None:
            raise Usage("overnight record: a crash has no --value")
        return 0.0
    found = _number(args.value, "--value") if args.value is not None else primary
    if found is None:
        raise Usage(
            f"overnight record: {args.status} needs --value, or METRIC {name}= on standard input; else it is a crash"
        )
    return found


def asi(given: Sequence[str]) -> dict[str, str]:
    """NAME=TEXT each, or a JSON object of texts."""
    found: dict[str, str] = {}
    for text in given:
        if not text.lstrip().startswith("{"):
            found |= _pairs([text], "--asi", "NAME=TEXT")
            continue
        try:
            document = json.loads(text)
        except ValueError as error:
            raise Usage(f"overnight record: --asi is no JSON object: {error}") from error
        found |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.items()}
    return found


def _read(data: bytes, where: str) -> dict[str, float]:
    """METRIC lines, or the JSON that overnight metrics makes of them."""
    if not data.lstrip().startswith(b"{"):
        return parse_metrics(data)
    try:
        document = json.loads(data)
    except ValueError as error:
        raise VerbError(f"{where}: not JSON: {error}") from error
    if not all(type(value) in (int, float) and math.isfinite(value) for value in document.values()):
        raise VerbError(f"{where}: expected an object of finite numbers, as overnight metrics prints")
    return {name: float(value) for name, value in document.items()}


def _pairs(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise Usage(f"overnight record: {option} is {text!r}; expected {form}")
        pairs[name.strip()] = value
    return pairs


def _number(text: str, where: str) -> float:
    value = number(text.strip())
    if value is None:
        raise Usage(f"overnight record: {where} is {text!r}; expected a finite number")
    return value
