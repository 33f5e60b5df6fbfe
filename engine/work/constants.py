"""Constants at the top of a Python file, `NAME = literal`: read as source text, and changed in place. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from engine.session.fingerprint import BOM, fingerprint

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class ConstantError(ValueError):
    """The constant cannot be set; the message says why."""


def read_constants(text: str) -> dict[str, str]:
    """Source text of each module-level constant in order: NAME in capitals, assigned once, to a literal.

    Arithmetic of literals (`2**15`), tuples and lists of them count. Errors: SyntaxError, ValueError.
    """
    text = text.removeprefix(BOM)
    lines = text.encode().splitlines(keepends=True)
    return {name: _source(lines, value) for name, value in _assigned(text).items()}


def set_constant(text: str, name: str, new_source: str) -> str:
    """`text` with the constant's value replaced by `new_source`, and nothing else touched. Errors: ConstantError."""
    return set_constants(text, {name: new_source})


def set_constants(text: str, values: Mapping[str, str]) -> str:
    """`text` with each named constant's value replaced by its source text, and nothing else touched.

    Errors: ConstantError for an unknown name, a value that is no literal, a text that does not parse.
    """
    if text.startswith(BOM):
        return BOM + set_constants(text[1:], values)
    try:
        nodes = _assigned(text)
    except (SyntaxError, ValueError) as error:
        raise ConstantError(f"cannot set {', '.join(values)}: the file does not parse: {error}") from error
    for name in values:
        if name not in nodes:
            raise ConstantError(f"there is no constant {name}; there are: {', '.join(nodes) or 'none'}")
    lines = text.encode().splitlines(keepends=True)
    before = {name: _source(lines, node) for name, node in nodes.items()}
    # From the end, so that earlier places stay where they are.
    for name in sorted(values, key=lambda name: (nodes[name].lineno, nodes[name].col_offset), reverse=True):
        node = nodes[name]
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        tail = lines[last][node.end_col_offset :]
        head = lines[first][: node.col_offset] + values[name].encode()
        lines[first : last + 1] = (head + tail).splitlines(keepends=True)
    changed = b"".join(lines).decode()
    try:
        after = read_constants(changed)
    except (SyntaxError, ValueError):
        after = {}
    if after != {**before, **values}:
        shown = ", ".join(f"{name} to {source!r}" for name, source in values.items())
        raise ConstantError(f"cannot set {shown}: that is not a literal value")
    return changed


def changed_constants(old: str, new: str) -> dict[str, tuple[str, str]]:
    """Constants that both texts have and that differ, as name → (old, new) source texts; none if one does not parse."""
    try:
        before, after = read_constants(old), read_constants(new)
    except (SyntaxError, ValueError):
        return {}
    return {name: (text, after[name]) for name, text in before.items() if name in after and after[name] != text}


def constants_only(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Each changed constant's (old, new) source texts, of files by name; {} where anything else was changed too."""
    found: dict[str, tuple[str, str]] = {}
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, ""), new.get(name, "")
        if before == after:
            continue
        changed = changed_constants(before, after) if name.endswith(".py") else {}
        try:
            made = set_constants(before, {key: source for key, (_, source) in changed.items()})
        except ConstantError:
            return {}
        if not changed or fingerprint({name: made}) != fingerprint({name: after}):
            return {}
        found.update(changed)
    return found


def _assigned(text: str) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    twice: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            targets, value = [node.target], node.value or ast.Name("_")
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and _NAME.fullmatch(target.id):
                alone = len(targets) == 1 and not isinstance(node, ast.AugAssign) and _is_literal(value)
                if target.id in found or not alone:
                    twice.add(target.id)
                found[target.id] = value
    return {name: value for name, value in found.items() if name not in twice}


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bytes) and node.value is not Ellipsis
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub | ast.UAdd) and _is_literal(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_literal(node.left) and _is_literal(node.right)
    return isinstance(node, ast.Tuple | ast.List) and all(_is_literal(item) for item in node.elts)


def _source(lines: list[bytes], node: ast.expr) -> str:
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    if first == last:
        return lines[first][node.col_offset : node.end_col_offset].decode()
    middle = lines[first + 1 : last]
    return b"".join([lines[first][node.col_offset :], *middle, lines[last][: node.end_col_offset]]).decode()
