"""What files of code do, as one hash: sessions, researchers and swarms tell by it whether a change was tried before."""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator, Mapping

BOM = "\ufeff"
"""A byte order mark: allowed before a Python file, and no part of its text."""
MOST_PARSED = 1 << 18
"""Characters of Python that are read as such; more is taken as text, so that nobody's code keeps a hub busy."""
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def fingerprint(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) of what the files do: of Python the syntax tree without docstrings, of others the text.

    Comments, layout and the way a number is written make no difference, nor does the Python that reads the file. An
    empty file counts as none.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        if files[name]:
            digest.update(f"{name}\0{_normal(name, files[name])}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def parse(text: str) -> ast.Module:
    """The syntax tree of a file. Raises what `ast.parse` raises; says nothing of odd escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a proposal is not the operator's to read
        return ast.parse(text.removeprefix(BOM))


def docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Expr | None:
    """The statement that documents a node, if one does."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None


def _normal(name: str, text: str) -> str:
    if not name.endswith(".py") or len(text) > MOST_PARSED:
        return text
    try:
        tree = parse(text)
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        return "".join(_told(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _told(part: object) -> Iterator[str]:
    """A node with the fields that say something: `ast.dump` writes empty ones too, more of them with each Python."""
    if isinstance(part, ast.AST):
        yield f"{type(part).__name__}("
        for name, value in ast.iter_fields(part):
            if value is not None and value != [] and name != "kind":  # u"" and "" are one text
                yield f"{name}="
                yield from _told(value)
                yield ","
        yield ")"
    elif isinstance(part, list):
        yield "["
        for one in part:
            yield from _told(one)
            yield ","
        yield "]"
    else:
        yield repr(part)
