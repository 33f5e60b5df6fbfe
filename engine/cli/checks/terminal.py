"""The terminal and the locale: whether glyphs and colours arrive."""

import codecs
import locale
from collections.abc import Mapping

from engine.cli.checks.finding import Finding, Machine


def check(machine: Machine) -> list[Finding]:
    """Encoding and colours."""
    return [encoding(_chosen(machine.environ)), colours(machine.environ)]


def _chosen(environ: Mapping[str, str]) -> str:
    """The character set of the locale that the environment asks for."""
    name = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or "C"
    return name.partition(".")[2].partition("@")[0] or ("ASCII" if name in ("C", "POSIX") else locale.getencoding())


def encoding(name: str) -> Finding:
    """The locale's character set."""
    try:
        canonical = codecs.lookup(name).name
    except LookupError:
        canonical = name
    if canonical == "utf-8":
        return Finding("ok", "the locale is UTF-8")
    text = f"the locale's characters are {name}, not UTF-8: bars and marks may show as question marks"
    return Finding("warning", text, "export LC_ALL=C.UTF-8")


def colours(environ: Mapping[str, str]) -> Finding:
    """What TERM promises."""
    term = environ.get("TERM", "")
    if environ.get("COLORTERM") in ("truecolor", "24bit"):
        return Finding("ok", f"terminal {term or 'unnamed'} with 24-bit colours")
    if "256color" in term or "direct" in term or "kitty" in term:
        return Finding("ok", f"terminal {term}")
    if not term or term == "dumb":
        return Finding(
            "note", f"TERM is {term or 'not set'}: no console here, the verbs work", "export TERM=xterm-256color"
        )
    return Finding("note", f"terminal {term} promises few colours", "export TERM=xterm-256color")
