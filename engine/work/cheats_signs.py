"""Single places in a module that show a cheat: what is reached for, patched, opened, written or printed. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from engine.work.cheats_names import Names, root, text_of
from engine.work.cheats_reach import INSIDES, METHODS, PINNED, SETTINGS, WORDS, reached

GIVEN = frozenset({"OVERNIGHT_SEED", "OVERNIGHT_BUDGET", "OVERNIGHT_WEIGHTS", "OVERNIGHT_FIT"})
"""What the engine gives to a run to read."""
FIXED = ("time", "math", "os", "sys", "builtins", "numpy", "torch", "statistics", "random", "gc", "datetime", "io")
"""Libraries that measure and evaluation stand on: their attributes are not to be replaced."""
HANDED = (*PINNED, "time", "datetime", "builtins", "sys", "math")
_LOOKS = tuple(f"builtins.{name}" for name in ("getattr", "hasattr", "setattr", "delattr", "vars", "type", "print"))
_RECORDS = re.compile(
    r"\.overnight\b|autoresearch\.(jsonl|sh|checks)|\brun\.log\b|benchmark\.out|journal\.jsonl|"
    r"\bval\.(tokens|ends)|shard_\d|/proc/(self|\d)|\.git/"
)
_SPOKEN = re.compile(r"\bMETRIC\s+\w*|\b(val_bpb|val_loss|peak_vram_mb|training_seconds)\W{1,3}\s*[-+]?\d")
_READING = re.compile(r"[rbt]*")


class Sign(msgspec.Struct, frozen=True):
    """One such place. `key` is the same for the same deed, whatever its line and the names of variables."""

    kind: str
    key: str
    line: int
    text: str
    severity: Literal["refuse", "flag"] = "refuse"


def signs(names: Names) -> Iterator[Sign]:
    """Every sign in the module, in no order."""
    documents = _docstrings(names.nodes)
    called: dict[int, ast.AST] = {id(n.func): n for n in names.nodes if isinstance(n, ast.Call)}
    inner = {id(n.value) for n in names.nodes if isinstance(n, (ast.Attribute, ast.Subscript)) and names.of(n)}
    for name, origin, line in names.imported_again:
        yield from _rebound(name, names, line)
        if origin.partition(".")[0] in PINNED:
            yield from _rebound(origin.rpartition(".")[2], names, line)
    for node in names.nodes:
        line = getattr(node, "lineno", 0)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imports(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield from _texts(node.value, line)
        elif isinstance(node, (ast.BinOp, ast.JoinedStr, ast.Call)) and (text := text_of(node)):
            yield from _texts(text, line)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            if not isinstance(node.ctx, ast.Load):
                yield from _changed(node, names, line)
            elif id(node) not in inner:
                yield from _reaching(names.of(node), line, called.get(id(node), node), names)
        if isinstance(node, ast.Attribute):
            yield from _inside(node, names)
        if isinstance(node, ast.Call):
            yield from _calls(node, names, line)
            yield from _handed(node, names)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (
            node.name in names.imported or node.name == "print"
        ):
            yield from _rebound(node.name, names, line)
        if isinstance(node, ast.arg) and node.arg in ("evaluate_bpb", "print"):
            yield from _rebound(node.arg, names, line)
        if caught := _caught(node):
            yield from _rebound(caught, names, line)


def _caught(node: ast.AST) -> str:
    """The name that an except clause or a pattern binds."""
    if isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        return node.name or ""
    return node.rest or "" if isinstance(node, ast.MatchMapping) else ""


def _docstrings(nodes: list[ast.AST]) -> set[int]:
    bodies = [n.body for n in nodes if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    firsts = [body[0] for body in bodies if body]
    return {id(first.value) for first in firsts if isinstance(first, ast.Expr)}


def plain(node: ast.AST, names: Names) -> str:
    """The node's structure with the module's own variables nameless, so that renaming one makes no other deed."""
    return re.sub(r"Name\(id='(\w+)'", lambda m: f"Name({names.of(ast.Name(m[1]))!r}", ast.dump(node))


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Sign]:
    base = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
    for alias in node.names:
        dotted = base + alias.name
        if alias.name == "*" and base[:-1] not in PINNED:
            continue
        found = ("data", dotted) if alias.name == "*" else reached(dotted)
        if found is None and dotted.partition(".")[0] == "builtins":
            found = ("code", "builtins")
        if found is None and dotted.startswith("_") and not dotted.startswith("__future__"):
            found = ("native", dotted)
        if found:
            yield Sign(found[0], f"import {dotted}", node.lineno, f"imports {dotted}: {WORDS[found[0]]}")


def _reaching(dotted: str, line: int, node: ast.AST, names: Names) -> Iterator[Sign]:
    if not dotted or dotted == "builtins.open":  # open is looked at where it is called
        return
    if dotted.partition(".")[0] in FIXED + PINNED and dotted.endswith(".?"):
        yield Sign("code", plain(node, names), line, f"looks up a name of {dotted[:-2]} that is not written out")
    elif found := reached(dotted):
        shown = dotted.removeprefix("builtins.")
        yield Sign(found[0], plain(node, names), line, f"uses {shown}: {WORDS[found[0]]}")
    elif dotted.startswith("prepare.") and any(part.startswith("__") for part in dotted.split(".")):
        yield Sign("evaluation", plain(node, names), line, f"reaches into {dotted}, which prepare.py alone owns")


def _inside(node: ast.Attribute, names: Names) -> Iterator[Sign]:
    if node.attr in INSIDES and isinstance(node.ctx, ast.Load) and names.of(node).partition(".")[0] not in PINNED:
        yield Sign("code", f"inside {node.attr}", node.lineno, f"reaches for {node.attr}: {WORDS['code']}")


def _handed(node: ast.Call, names: Names) -> Iterator[Sign]:
    """A module that is handed to something could be changed by it under any name."""
    if names.of(node.func) in _LOOKS:
        return
    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
        top, _, rest = names.of(value).partition(".")
        if top in HANDED and rest in ("", "vars()", "__dict__"):
            text = f"hands {names.of(value)} to something else, which could change it; use what it offers by its name"
            yield Sign("evaluation" if top in PINNED else "patched", plain(node, names), node.lineno, text)


def _texts(text: str, line: int) -> Iterator[Sign]:
    if found := _RECORDS.search(text):
        yield Sign("records", found[0], line, f"names {found[0]}: the session's records are not a run's to touch")
    if found := _SPOKEN.search(text):
        what = "is the benchmark script's to print" if found[0].startswith("METRIC") else "is no measured number"
        yield Sign("metric", text, line, f"prints {found[0]!r}, which {what}: numbers come from evaluate_bpb")
    if text.startswith("OVERNIGHT_") and text not in GIVEN:
        yield Sign("environment", text, line, f"uses {text}: only {', '.join(sorted(GIVEN))} are for a run")


def _rebound(name: str, names: Names, line: int) -> Iterator[Sign]:
    origin = names.imported.get(name, f"builtins.{name}" if name == "print" else "")
    top = origin.partition(".")[0]
    if top in PINNED:
        text = f"binds {name} anew: it comes from {top}.py, which is fixed; use another name"
        yield Sign("evaluation", f"bind {origin}", line, text)
    elif top in ("time", "datetime"):
        yield Sign("clock", f"bind {origin}", line, f"binds {name} anew: {WORDS['clock']}; use another name")
    elif origin == "builtins.print":
        yield Sign("metric", "bind print", line, "binds print anew: what is printed is how a run is measured")


def _changed(node: ast.Name | ast.Attribute | ast.Subscript, names: Names, line: int) -> Iterator[Sign]:
    """An assignment to, or a deletion of, something that is not this module's own."""
    if isinstance(node, ast.Name):
        if node.id in names.imported or node.id == "print":
            yield from _rebound(node.id, names, line)
        return
    dotted = names.of(node) or (names.of(node.value) if isinstance(node, ast.Subscript) else "")
    yield from _patched(dotted, node, names, line)


def _patched(dotted: str, node: ast.AST, names: Names, line: int) -> Iterator[Sign]:
    top = dotted.partition(".")[0]
    if not dotted or (top not in FIXED and top not in PINNED):
        if isinstance(node, ast.Attribute) and node.attr in ("__code__", "__globals__", "__closure__"):
            yield Sign("code", plain(node, names), line, f"replaces {node.attr}: {WORDS['code']}")
        return
    if dotted.startswith("os.environ"):
        key = text_of(node.slice) if isinstance(node, ast.Subscript) else ""
        if not key or key.startswith(("OVERNIGHT_", "PYTHON", "LD_", "CUDA_VISIBLE")):
            text = f"sets {key or 'a name that is not written out'} in the environment, which the engine gives a run"
            yield Sign("environment", plain(node, names), line, text)
        return
    if "()" in dotted and top not in PINNED:
        return  # an object that a library made is this module's own
    if top in PINNED:
        yield Sign("evaluation", plain(node, names), line, f"changes {dotted}: data and measure are fixed")
    elif top in ("time", "datetime"):
        yield Sign("clock", plain(node, names), line, f"changes {dotted}: {WORDS['clock']}")
    elif dotted in ("sys.stdout", "sys.stderr"):
        yield Sign("metric", plain(node, names), line, f"replaces {dotted}: what is printed is how a run is measured")
    elif not set(SETTINGS).intersection(dotted.split(".")):
        yield Sign("patched", plain(node, names), line, f"changes {dotted}: libraries stay as they are")


def _calls(node: ast.Call, names: Names, line: int) -> Iterator[Sign]:
    function = names.of(node.func)
    first = node.args[0] if node.args else None
    if function == "builtins.getattr":
        yield from _reaching(names.of(node), line, node, names)
    elif function in ("builtins.setattr", "builtins.delattr") and first is not None:
        given = text_of(node.args[1]) if len(node.args) > 1 else ""
        yield from _patched(f"{names.of(first)}.{given or '?'}" if names.of(first) else "", node, names, line)
    elif function.startswith("os.environ.") and function.rpartition(".")[2] in ("update", "setdefault", "pop", "clear"):
        key = text_of(first) if first is not None else ""
        if not key or key.startswith(("OVERNIGHT_", "PYTHON", "LD_", "CUDA_VISIBLE")):
            yield Sign("environment", plain(node, names), line, "changes the environment, which the engine gives a run")
    elif function in ("os.putenv", "os.unsetenv"):
        yield Sign("environment", plain(node, names), line, "changes the environment, which the engine gives a run")
    elif function in ("builtins.open", "pathlib.Path().open"):
        yield from _opened(node, names, line, function == "builtins.open")
    elif function.split(".")[0] in PINNED and function.endswith((".__dict__.update", "vars().update", ".__setattr__")):
        yield Sign("evaluation", plain(node, names), line, f"changes {function.rpartition('.')[0]}: it is fixed")
    elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and not _own(root(node.func.value), names):
        kind = METHODS[node.func.attr]
        yield Sign(kind, plain(node, names), line, f"calls {node.func.attr}: {WORDS[kind]}")


def _own(node: ast.AST, names: Names) -> bool:
    return isinstance(node, ast.Name) and node.id == "self" and not names.of(node)


def _opened(node: ast.Call, names: Names, line: int, builtin: bool) -> Iterator[Sign]:
    path = node.args[0] if builtin and node.args else None
    rest = node.args[1:] if builtin else node.args
    mode = next((k.value for k in node.keywords if k.arg == "mode"), rest[0] if rest else ast.Constant("r"))
    reading = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and _READING.fullmatch(mode.value)
    where = text_of(path) if path is not None else ""
    if not reading:
        yield Sign("file", plain(node, names), line, f"opens {where or 'a file'} to write: {WORDS['file']}")
    elif where.startswith(("/proc/cpuinfo", "/proc/meminfo", "/sys/")):
        yield Sign("data", plain(node, names), line, f"reads {where}", "flag")
    else:
        yield Sign("data", plain(node, names), line, f"opens {where or 'a file'}: {WORDS['data']}")
