"""Answers to the operator's messages: what was queued or frozen, what cannot be done and why, what is understood."""

from collections.abc import Mapping

from engine.researchers.base import Brief, Message
from engine.researchers.search.arithmetic import ArithmeticRefused
from engine.researchers.search.orders import UNDERSTOOD, Order, Orders, Try, understand
from engine.researchers.search.sources import Sources, arrows
from engine.researchers.search.space import Space
from engine.researchers.search.values import Value, is_number, operand
from engine.session.fingerprint import fingerprint


def answer_all(brief: Brief, orders: Orders, space: Space, source: Sources) -> dict[str, str]:
    """Take in the brief's messages; a sentence for each. A message answered before is not taken in again."""
    answers = {}
    for message in brief.messages:
        if message.id not in orders.answers:
            orders.answered(message.id, _answer(message, brief, orders, space, source))
        answers[message.id] = orders.answers[message.id]
    return answers


def _answer(message: Message, brief: Brief, orders: Orders, space: Space, source: Sources) -> str:
    found = understand(message.text)
    if found is None:
        return f"{UNDERSTOOD}. Constants: {', '.join(_tunable(space, source)) or 'none'}."
    sentences = []
    for order in found:
        if order.kind == "try":
            pairs = zip(order.names, order.values, strict=True)
            sentences += [_queue(message.id, name, text, brief, orders, space, source) for name, text in pairs]
        else:
            sentences += [_freeze(order, name, orders, space, source) for name in order.names]
    return " ".join(sentences)


def _tunable(space: Space, source: Sources) -> list[str]:
    return [name for name in space.constants if name in source.values]


def _unknown(name: str, space: Space, source: Sources) -> str:
    return f"{name} is not a constant I can change; there are: {', '.join(_tunable(space, source)) or 'none'}."


def _freeze(order: Order, name: str, orders: Orders, space: Space, source: Sources) -> str:
    if order.kind == "unfreeze":
        if name not in orders.frozen:
            return f"{name} is not frozen."
        orders.frozen.remove(name)
        return f"{name} is free to change again."
    if name not in space.constants:
        return _unknown(name, space, source)
    if name in orders.frozen:
        return f"{name} is frozen already."
    orders.frozen.append(name)
    return f"{name} stays at {source.texts.get(name, 'what it is')} until you unfreeze it."


def _queue(message: str, name: str, text: str, brief: Brief, orders: Orders, space: Space, source: Sources) -> str:
    if name not in source.values:
        return _unknown(name, space, source)
    try:
        value = operand(text, source.texts[name])
    except ArithmeticRefused:
        return f"{name}={text} is not tried: {text} is not a value I can read."
    constant, note = space.constants.get(name), ""
    if constant is not None and constant.kind == "float" and is_number(value):
        value = float(str(value))
    if wrong := _wrong_kind(name, value, space, source):
        return f"{name}={text} is not tried: {wrong}."
    if constant is None:
        note = "not in the search space, tried because you asked"
    elif not constant.contains(value):
        note = f"outside the declared range {constant.range_text()}, tried because you asked"
    asked = Try(message, name, source.text_of(name, value), note)
    if why := objection(asked, value, brief, space, source):
        return f"{why}."
    if any(other.name == name and other.value == asked.value for other in orders.queue):
        return f"{name}={asked.value} is queued already."
    orders.queue.append(asked)
    place = len(orders.queue)
    when = "comes next" if place == 1 else f"is queued, number {place} in line"
    frozen = " It stays frozen otherwise." if name in orders.frozen else ""
    return f"{name}={asked.value} {when}{f' ({note})' if note else ''}.{frozen}"


def _wrong_kind(name: str, value: Value, space: Space, source: Sources) -> str:
    constant = space.constants.get(name)
    if constant is not None and constant.kind == "int" and not (is_number(value) and isinstance(value, int)):
        return f"expected a whole number in {constant.range_text()}"
    if constant is not None and constant.kind == "float" and not is_number(value):
        return f"expected a number in {constant.range_text()}"
    known = [*(constant.values if constant else ()), source.values[name]]
    if constant is None or constant.kind == "choice":
        kinds = {_kind(other) for other in known}
        if _kind(value) not in kinds and kinds != {_kind(None)}:
            return f"expected something like {source.texts[name]}"
    return ""


def _kind(value: Value) -> str:
    return "number" if is_number(value) else type(value).__name__


def objection(asked: Try, value: Value, brief: Brief, space: Space, source: Sources) -> str:
    """Why a try would be a wasted run on this champion; "" where it is worth one."""
    name, shown = asked.name, f"{asked.name}={asked.value}"
    if name not in source.values:
        return f"{shown} cannot be tried: {name} is no longer a constant of the champion"
    if source.values[name] == value:
        return f"{name} is {source.texts[name]} already, so there is nothing to try"
    if why := source.broken(space, {name: value}):
        return f"{shown} is not tried: {why}"
    files, params = source.changed({name: value})
    if fingerprint({**brief.files, **files}) in brief.tried:
        return f"{shown} was tried on this champion already{_when(brief, params)}"
    return ""


def _when(brief: Brief, params: Mapping[str, tuple[str, str]]) -> str:
    for experiment in reversed(brief.results):
        if experiment.champion == brief.champion.run and arrows(experiment.params) == arrows(params):
            result = experiment.status if experiment.metric is None else f"{experiment.metric:.6f}"
            return f", in run {experiment.run} ({result})"
    return ""
