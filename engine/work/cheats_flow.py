"""What a module makes of the seed, the budget and the measured numbers on their way to the summary. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.work.cheats_names import Names, text_of
from engine.work.cheats_signs import Sign, plain

MEASURED = ("val_bpb", "val_loss")
_EVALUATE = "prepare.evaluate_bpb"
_SEED = re.compile(r"seed", re.IGNORECASE)
_ENDS_WITH_NAME = re.compile(rf"\b({'|'.join(MEASURED)})\W*$")
_FORMATTED = re.compile(rf"\b({'|'.join(MEASURED)})\b.*(%|{{)")


def reads(names: Names, variable: str) -> bool:
    """Whether the module names the environment variable at all."""
    return any(isinstance(n, ast.Constant) and n.value == variable for n in names.nodes)


def evaluates(names: Names) -> bool:
    """Whether it calls prepare.py's evaluate_bpb."""
    return any(isinstance(n, ast.Call) and names.of(n.func) == _EVALUATE for n in names.nodes)


def prints_measured(names: Names) -> bool:
    """Whether a number that evaluate_bpb gave goes into the summary as val_bpb."""
    measured = _measured_names(names)
    return any(key == "val_bpb" and _is_measured(value, measured, names) for key, value in _told(names))


def metric_signs(names: Names) -> Iterator[Sign]:
    """Numbers told as val_bpb or val_loss that are not, as they are, what evaluate_bpb gave."""
    measured = _measured_names(names)
    told = list(_told(names))
    for key, value in told:
        if not _is_measured(value, measured, names):
            text = f"tells a {key} that is not what evaluate_bpb gave, as it gave it"
            yield Sign("metric", f"{key} {plain(value, names)}", value.lineno, text)
    shown = {n.id for _, value in told for n in ast.walk(value) if isinstance(n, ast.Name) and n.id in measured}
    for node in names.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in shown:
            if node.lineno > measured[node.id]:
                text = f"changes {node.id} after evaluate_bpb gave it"
                yield Sign("metric", "again", node.lineno, text)
        elif (
            isinstance(node, ast.Call)
            and names.of(node.func) == _EVALUATE
            and (any(isinstance(part, (ast.Lambda, ast.BinOp)) for part in ast.walk(node)) or _wrapped(node, names))
        ):
            yield Sign("metric", plain(node, names), node.lineno, "evaluates something else than the trained model")


def _wrapped(node: ast.Call, names: Names) -> bool:
    """Whether what is evaluated is a function of this module's own rather than a model."""
    given = [n.id for n in node.args[:1] if isinstance(n, ast.Name)]
    for n in names.nodes:
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n.name in given:
            return True
        if (
            isinstance(n, ast.Assign)
            and isinstance(n.value, ast.Lambda)
            and any(isinstance(target, ast.Name) and target.id in given for target in n.targets)
        ):
            return True
    return False


def _measured_names(names: Names) -> dict[str, int]:
    """Names that hold what evaluate_bpb gave, with the line that last gave it to them."""
    found: dict[str, int] = {}
    assigned = [n for n in names.nodes if isinstance(n, ast.Assign)]
    for _ in range(3):
        for node in assigned:
            if _is_measured(node.value, found, names):
                for target in (part for whole in node.targets for part in ast.walk(whole)):
                    if isinstance(target, ast.Name):
                        found[target.id] = max(found.get(target.id, 0), target.lineno)
    return found


def _is_measured(node: ast.AST, measured: dict[str, int], names: Names) -> bool:
    if isinstance(node, ast.Name):
        return node.id in measured
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return _is_measured(node.value, measured, names)
    if isinstance(node, ast.FormattedValue):
        return _is_measured(node.value, measured, names)
    if isinstance(node, ast.JoinedStr):
        fields = [part for part in node.values if isinstance(part, ast.FormattedValue)]
        rest = [text_of(part) for part in node.values if not isinstance(part, ast.FormattedValue)]
        return len(fields) == 1 and not "".join(rest).strip() and _is_measured(fields[0], measured, names)
    if isinstance(node, ast.Call):
        function = names.of(node.func)
        if function == _EVALUATE:
            return True
        if function in ("builtins.round", "builtins.float", "builtins.str", "builtins.format") and node.args:
            return _is_measured(node.args[0], measured, names)
        return (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "item"
            and _is_measured(node.func.value, measured, names)
        )
    return False


def _told(names: Names) -> Iterator[tuple[str, ast.expr]]:
    """(name, expression) wherever something is told as one of the measured numbers."""
    for node in names.nodes:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None and text_of(key) in MEASURED:
                    yield text_of(key), value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and text_of(target.slice) in MEASURED:
                    yield text_of(target.slice), node.value
        elif isinstance(node, ast.Call):
            yield from ((k.arg, k.value) for k in node.keywords if k.arg in MEASURED)
            for before, after in zip(node.args, node.args[1:], strict=False):
                if found := _ENDS_WITH_NAME.search(text_of(before)):
                    yield found[1], after
            if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
                found = _FORMATTED.search(text_of(node.func.value))
                yield from ((found[1], value) for value in node.args if found)
        elif isinstance(node, ast.JoinedStr):
            for part, value in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and (found := _ENDS_WITH_NAME.search(text_of(part))):
                    yield found[1], value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            found = _FORMATTED.search(text_of(node.left))
            given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            yield from ((found[1], value) for value in given if found)


def budget_signs(names: Names) -> Iterator[Sign]:
    """How the budget is made of OVERNIGHT_BUDGET and BUDGET, and what else is put in its place."""
    holders: set[str] = set()
    for node in names.nodes:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and _of_budget(node.value, names):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            holders |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            text = "reads the budget another way than the champion does; the budget is fixed"
            yield Sign("budget", plain(node.value, names), node.lineno, text)
    for node in names.nodes:
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            again = holders & {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if again and not _of_budget(node.value, names):
                text = f"puts something else in {min(again)}, which holds the budget; the budget is fixed"
                yield Sign("budget", f"again {plain(node.value, names)}", node.lineno, text)


def _of_budget(node: ast.AST, names: Names) -> bool:
    return any(isinstance(n, ast.Constant) and n.value == "OVERNIGHT_BUDGET" for n in ast.walk(node))


def without_seed(tree: ast.Module, names: Names) -> str:
    """The module's structure with all that only chooses a seed taken out; `tree` is changed on the way."""
    return ast.dump(_Unseeded(names).visit(tree))


class _Unseeded(ast.NodeTransformer):
    def __init__(self, names: Names) -> None:
        self._names = names

    def _seeds(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
            return False
        if self._names.of(node.func) == "device.start":
            return True
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        return bool(_SEED.search(name)) or name == "default_rng"

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if self._seeds(node.value) else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        named = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        if any(_SEED.search(name) for name in named):
            return None
        text = "OVERNIGHT_SEED"
        if any(isinstance(n, ast.Constant) and n.value == text for n in ast.walk(node.value)):
            return None
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if self._seeds(node):
            node.args, node.keywords = [], []
        elif self._names.of(node.func) == "prepare.training_batches" and len(node.args) > 1:
            node.args[1] = ast.Constant("seed")
        node.keywords = [k for k in node.keywords if not _SEED.search(k.arg or "")]
        return node

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        if any(isinstance(n, ast.Name) and _SEED.search(n.id) for n in ast.walk(node)):
            return ast.Constant("seed")
        return self.generic_visit(node)
