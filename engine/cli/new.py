"""new: make a session."""

import argparse
import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.output import Output, safe
from engine.cli.parsing import folder
from engine.cli.trouble import DONE, Usage

if TYPE_CHECKING:
    from engine.work.creation import Created


def arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """What it takes."""
    parser.add_argument("name", metavar="NAME", help="its name, and its folder's in the sessions folder")
    parser.add_argument(
        "--tier", default="auto", help="auto (by this machine), cpu, or a GPU's memory: 4 8 12 16 24 32 80"
    )
    parser.add_argument("--data", default="demo", help="demo (no download), climbmix, or a file or folder of texts")
    parser.add_argument("--tokenizer", choices=("bpe", "byte", "char"), help="default: bpe")
    parser.add_argument(
        "--from", dest="from_dir", type=Path, metavar="DIR", help="adopt this repository, which has its own train.py"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a constant of train.py or prepare.py (repeatable)",
    )
    parser.add_argument("--no-prepare", action="store_true", help="leave data and tokenizer to overnight prepare")


def run(args: argparse.Namespace, out: Output) -> int:
    """Make it and tell what it became. Errors: those of engine.work.creation.create."""
    from engine.work.creation import create

    created = create(
        args.name,
        folder(args),
        tier=args.tier,
        data=args.data,
        tokenizer=args.tokenizer,
        from_dir=args.from_dir,
        overrides=_overrides(args.set),
        prepared=not args.no_prepare,
        on_progress=out.narrate,
    )
    document = report(created, not args.no_prepare)
    out.result(document, told(document))
    return DONE


def _overrides(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise Usage(f"overnight new: --set is {text!r}; expected NAME=VALUE, for example DEPTH=4")
        found[name.strip()] = value.strip()
    return found


def report(created: "Created", prepared: bool = True) -> dict[str, Any]:
    """What was made. `tier` and `values` are null for an adopted repository, `fits` without a GPU's tier too."""
    tier = created.tier
    return {
        "session": created.paths.name,
        "path": str(created.paths.root),
        "branch": created.branch,
        "tier": tier.name if tier else None,
        "params_M": created.params_M,
        "fits": "found at the first start" if tier and tier.vram_gb else None,
        "values": _values(created, [*tier.train, *tier.prepare, "TOKENIZER"]) if tier else None,
        "notes": created.notes,
        "prepared": prepared,
    }


def _values(created: "Created", names: list[str]) -> dict[str, Any]:
    """The constants of the tier's row as they stand in the session's files, which --set may have changed."""
    from engine.work.constants import read_constants

    found: dict[str, str] = {}
    for file in ("prepare.py", "train.py"):
        found |= read_constants((created.paths.root / file).read_text(encoding="utf-8"))
    return {name: ast.literal_eval(found[name]) for name in names if name in found}


def _vocabulary(values: dict[str, Any]) -> str:
    """A trained vocabulary's size; bytes and characters have one of their own."""
    return f"vocabulary {values['VOCAB_SIZE']}, " if values.get("TOKENIZER", "bpe") == "bpe" else ""


def told(document: dict[str, Any]) -> str:
    """The same for a reader: the tier's row, and what comes next."""
    lines = [f"{document['session']}: made in {document['path']}, branch {document['branch']}"]
    values = document["values"]
    if values is not None:
        parts = [f"depth {values['DEPTH']}, width {values['DEPTH'] * values['ASPECT_RATIO']}"]
        parts.append(f"batch {values['DEVICE_BATCH_SIZE']}, sequence {values['MAX_SEQ_LEN']}")
        parts.append(f"{_vocabulary(values)}{values['BUDGET']} {values['BUDGET_UNIT']} a run")
        if document["params_M"] is not None:
            parts.insert(0, f"{document['params_M']:g} M parameters")
        lines.append(f"tier {document['tier']}: {', '.join(parts)}")
    if document["fits"]:
        lines.append("the largest of it that the GPU holds is found at the first start, and written down (or --no-fit)")
    lines += document["notes"]
    if document["prepared"]:
        lines.append(f"start it: overnight start {document['session']}")
    else:
        lines.append(f"prepare its data: overnight prepare {document['session']}, then overnight start")
    return safe("\n".join(lines))
