"""doctor: what is missing on this machine, each finding with its exact mend."""

import argparse
import importlib
import os
import sys

import msgspec

from engine.cli.checks.finding import Finding, Machine
from engine.cli.output import Output, coloured, paint, safe
from engine.cli.parsing import folder
from engine.cli.trouble import DONE, FAILED

AREAS = ("python", "git", "torch", "gpu", "sandbox", "agents", "disk", "terminal", "tmux", "logind")
_GLYPHS = {"ok": "✓", "note": "·", "warning": "!", "failing": "✗"}


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("--only", choices=AREAS, action="append", metavar="AREA", help=f"one of {', '.join(AREAS)}")
    parser.epilog = "Exit code 1 only when something is missing that nothing works without (✗)."


def run(args: argparse.Namespace, out: Output) -> int:
    """Look, and tell."""
    machine = Machine(folder(args), dict(os.environ))
    found: dict[str, list[Finding]] = {}
    for area in args.only or AREAS:
        found[area] = importlib.import_module(f"engine.cli.checks.{area}").check(machine)
    failing = any(finding.level == "failing" for findings in found.values() for finding in findings)
    document = {
        "ok": not failing,
        "findings": [
            {"area": area, **msgspec.structs.asdict(finding)}
            for area, findings in found.items()
            for finding in findings
        ],
    }
    out.result(document, told(found, coloured(sys.stdout)))
    return FAILED if failing else DONE


def told(found: dict[str, list[Finding]], colours: bool) -> str:
    """One line a finding, its mend below it."""
    lines = []
    for area, findings in found.items():
        for finding in findings:
            glyph = paint(_GLYPHS[finding.level], finding.level, colours)
            lines.append(f"{glyph} {area:<9} {safe(finding.text)}")
            if finding.mend:
                lines.append(f"{'':12}mend: {safe(finding.mend)}")
    return "\n".join(lines)
