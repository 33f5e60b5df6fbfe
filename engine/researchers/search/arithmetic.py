"""Values and rules written as Python expressions, worked out without running any code of the session's."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "float": float,
    "int": int,
    "len": len,
    "max": max,
    "min": min,
    "round": round,
    "set": set,
    "sum": sum,
}
_LARGEST_POWER = 256
_LARGEST_SEQUENCE = 10_000


class ArithmeticRefused(Exception):
    """The expression uses something that is not plain arithmetic, or a name that has no value."""


def evaluate(source: str, names: Mapping[str, Any] | None = None) -> Any:
    """The value of the expression `source`, where `names` gives what each name stands for.

    Numbers, texts, None, tuples, lists, arithmetic, comparisons, and/or/not, `a if b else c` and a few functions
    without side effects. Errors: ArithmeticRefused (also for a division by zero and for texts that do not parse).
    """
    try:
        tree = ast.parse(source.strip(), mode="eval")
        return _value(tree.body, names or {})
    except ArithmeticRefused:
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise ArithmeticRefused(f"{source.strip()}: {error}") from error


def names_in(source: str) -> frozenset[str]:
    """The names that the expression `source` needs a value for. Errors: ArithmeticRefused."""
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArithmeticRefused(f"{source.strip()}: {error}") from error
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(found - _CALLS.keys())


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            if node.id not in names:
                raise ArithmeticRefused(f"{node.id} has no value here")
            return names[node.id]
        case ast.Tuple():
            return tuple(_value(item, names) for item in node.elts)
        case ast.List():
            return [_value(item, names) for item in node.elts]
        case ast.UnaryOp() if type(node.op) in _UNARY:
            return _UNARY[type(node.op)](_value(node.operand, names))
        case ast.BinOp(op=ast.Pow()):
            return _power(_value(node.left, names), _value(node.right, names))
        case ast.BinOp() if type(node.op) in _BINARY:
            return _binary(node.op, _value(node.left, names), _value(node.right, names))
        case ast.BoolOp():
            return _either(node, names)
        case ast.Compare():
            return _compare(node, names)
        case ast.IfExp():
            return _value(node.body if _value(node.test, names) else node.orelse, names)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _CALLS:
            return _CALLS[name](*(_value(argument, names) for argument in node.args))
        case ast.Subscript(slice=index):
            return _item(_value(node.value, names), _value(index, names))
    raise ArithmeticRefused(f"{ast.unparse(node)} is not plain arithmetic")


def _item(sequence: Any, index: Any) -> Any:
    try:
        return sequence[index]
    except (LookupError, TypeError) as error:
        raise ArithmeticRefused(str(error)) from error


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > _LARGEST_POWER or abs(base) > 2**64:
        raise ArithmeticRefused(f"{base} ** {exponent} is too large")
    return base**exponent


def _binary(kind: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(kind, ast.Mult):
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, str | tuple | list) and len(sequence) * times > _LARGEST_SEQUENCE:
                raise ArithmeticRefused("a repetition that long is refused")
    if isinstance(kind, ast.Mod) and isinstance(left, str):
        raise ArithmeticRefused("texts are not formatted here")
    return _BINARY[type(kind)](left, right)


def _either(node: ast.BoolOp, names: Mapping[str, Any]) -> Any:
    stops_at = isinstance(node.op, ast.Or)
    result: Any = None
    for part in node.values:
        result = _value(part, names)
        if bool(result) is stops_at:
            break
    return result


def _compare(node: ast.Compare, names: Mapping[str, Any]) -> bool:
    left = _value(node.left, names)
    for kind, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, names)
        if not _COMPARE[type(kind)](left, right):
            return False
        left = right
    return True
