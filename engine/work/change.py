"""What a change is: its size in lines of code, and the reasons why it cannot be tried. Pure."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Collection, Mapping

from engine.session.fingerprint import BOM, DOCUMENTED, docstring, fingerprint, parse
from engine.work import cheats

MOST_BYTES = 1 << 20
"""Of an editable file: it stands whole in every later prompt, and is kept in git for ever."""
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def net_lines(old: Mapping[str, str], new: Mapping[str, str]) -> int:
    """Lines of code that `new` has more than `old`; blank lines, comments and docstrings are none."""
    return sum(_code_lines(n, text) for n, text in new.items()) - sum(_code_lines(n, text) for n, text in old.items())


def _code_lines(name: str, text: str) -> int:
    if not name.endswith(".py"):
        return sum(1 for line in text.splitlines() if line.strip())
    try:
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(text.removeprefix(BOM)).readline):
            if token.type not in _LAYOUT:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(parse(text)):
            if isinstance(node, DOCUMENTED) and (doc := docstring(node)):
                lines.difference_update(range(doc.lineno, (doc.end_lineno or doc.lineno) + 1))
        return len(lines)
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def check(
    old: Mapping[str, str],
    new: Mapping[str, str],
    editable: Collection[str],
    allowed_imports: frozenset[str] | None,
    tried: Mapping[str, str],
) -> list[str]:
    """Why the change from `old` to `new` cannot be tried, in words for the researcher; empty when it can.

    `allowed_imports`: top-level modules besides the standard library's and what `old` imports already; None = any.
    `tried`: by fingerprint what came of each change that was tried on this champion.
    """
    changed = [name for name in sorted({*old, *new}) if old.get(name, "") != new.get(name, "")]
    if not changed:
        return ["nothing was changed: every file is as the champion's"]
    reasons = [
        f"{name} is outside the scope; only {', '.join(editable)} may be changed"
        for name in changed
        if name not in editable
    ]
    if not any(new.get(name, "").strip() for name in editable):
        reasons.append(f"nothing is left of {', '.join(editable)}")
    known = _imports_of(old) | {name.split("/")[0].removesuffix(".py") for name in new}
    for name in changed:
        if name in editable:
            reasons += _file_reasons(name, new.get(name, ""), known, allowed_imports)
    if reasons:
        return reasons
    print_of_new = fingerprint(new)
    if print_of_new == fingerprint(old):
        return ["only comments, docstrings or layout were changed: there is nothing to measure"]
    if print_of_new in tried:
        came = tried[print_of_new]
        return [f"this change was already tried on this champion, with the same code: {came}; propose another"]
    return [str(finding) for finding in cheats.look(old, new) if finding.severity == "refuse"]


def _file_reasons(name: str, text: str, known: set[str], allowed: frozenset[str] | None) -> list[str]:
    at = text.find("\0")
    if at >= 0:
        return [f"{name}, line {text.count(chr(10), 0, at) + 1}: has a null byte; a file must be text"]
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        return [f"{name}, line {text.count(chr(10), 0, error.start) + 1}: is not UTF-8 text"]
    if size > MOST_BYTES:
        return [f"{name} has {size} bytes; it may have at most {MOST_BYTES}"]
    if not name.endswith(".py"):
        return []
    try:
        tree = parse(text)
    except SyntaxError as error:
        shown = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        return [f"{name}, line {error.lineno or 1}: does not parse: {error.msg}{shown}"]
    except (ValueError, RecursionError, MemoryError) as error:
        return [f"{name}: does not parse: {error or type(error).__name__}"]
    if allowed is None:
        return []
    return [
        f"{name}, line {line}: imports {module}, which the session's pyproject.toml does not list; "
        f"no package is added during a session (there are: {', '.join(sorted(allowed)) or 'none'})"
        for module, line in _imports(tree).items()
        if module not in allowed and module not in known and module not in sys.stdlib_module_names
    ]


def _imports(tree: ast.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [node.module]
        else:
            continue
        for name in names:
            found.setdefault(name.partition(".")[0], node.lineno)
    return found


def _imports_of(files: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for name, text in files.items():
        if name.endswith(".py"):
            try:
                found.update(_imports(parse(text)))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return found
