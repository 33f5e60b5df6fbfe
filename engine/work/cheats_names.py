"""What names in a Python module stand for: after `import prepare as p`, `p.evaluate_bpb` is `prepare.evaluate_bpb`."""

from __future__ import annotations

import ast
import builtins

_BUILTINS = frozenset({*dir(builtins), "__builtins__"})
_PASSES = 3
"""Aliases of aliases are followed so often."""


class Names:
    """The dotted origin of expressions in one module, whatever scope they stand in."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        """Every node of the module."""
        self.imported: dict[str, str] = {}
        """Names bound by an import, with what they stand for."""
        self.imported_again: list[tuple[str, str, int]] = []
        """(name, what it stands for now, line) of each import that binds a name to something else than one before."""
        self._aliases: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(alias.asname or whole, whole, node.lineno)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._bind(alias.asname or alias.name, f"{node.module}.{alias.name}", node.lineno)
        self._bound = {n.id for n in self.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        self._bound |= {
            n.name for n in self.nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        }
        assigned = [n for n in self.nodes if isinstance(n, (ast.Assign, ast.NamedExpr))]
        for _ in range(_PASSES):
            for node in assigned:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and (found := self.of(node.value)):
                    self._aliases.setdefault(target.id, found)

    def _bind(self, name: str, origin: str, line: int) -> None:
        if self.imported.setdefault(name, origin) != origin:
            self.imported_again.append((name, origin, line))

    def of(self, node: ast.AST) -> str:
        """Where the expression comes from, dotted (`os.environ`, `builtins.open`, `prepare.f()`); "" = from here."""
        if isinstance(node, ast.Name):
            if node.id in self.imported:
                return self.imported[node.id]
            if node.id in self._aliases:
                return self._aliases[node.id]
            return f"builtins.{node.id}" if node.id in _BUILTINS and node.id not in self._bound else ""
        if isinstance(node, ast.Attribute):
            base = self.of(node.value)
            return f"{base}.{node.attr}" if base else ""
        if isinstance(node, ast.Subscript):
            base, _, last = self.of(node.value).rpartition(".")
            if last in ("__dict__", "vars()") and isinstance(node.slice, ast.Constant):
                return f"{base}.{text_of(node.slice)}"
            return ""
        return self._of_call(node) if isinstance(node, ast.Call) else ""

    def _of_call(self, node: ast.Call) -> str:
        function = self.of(node.func)
        first = node.args[0] if node.args else None
        if function == "builtins.getattr" and len(node.args) > 1 and (base := self.of(node.args[0])):
            return f"{base}.{text_of(node.args[1]) or '?'}"
        if function in ("builtins.__import__", "importlib.import_module") and first is not None:
            return text_of(first)
        if function in ("builtins.vars", "builtins.type") and first is not None and (base := self.of(first)):
            return f"{base}.{function.removeprefix('builtins.')}()"
        return f"{function}()" if function and not function.startswith("builtins.") else ""


def text_of(node: ast.AST) -> str:
    """The text that literals make: one, a sum, a join, chr(), decode(), an f-string without fields; "" for another."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return left + right if left and right else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    return _made(node) if isinstance(node, ast.Call) else ""


def _made(node: ast.Call) -> str:
    function, first = node.func, node.args[0] if node.args else None
    if isinstance(function, ast.Name) and function.id == "chr" and isinstance(first, ast.Constant):
        return chr(first.value) if isinstance(first.value, int) and 0 <= first.value < 0x110000 else ""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
        value = function.value.value
        if function.attr == "decode" and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if function.attr == "join" and isinstance(value, str) and isinstance(first, (ast.List, ast.Tuple)):
            return value.join(text_of(part) for part in first.elts)
    return ""


def root(node: ast.AST) -> ast.AST:
    """The innermost object of a chain of attributes and subscripts."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node
