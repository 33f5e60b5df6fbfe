"""The whole prompt of one experiment, from its brief: in a fixed order, within researcher.prompt_tokens."""

from pathlib import Path

from engine.researchers.base import Brief, ResearcherFailed
from engine.researchers.credentials import redacted
from engine.researchers.prompt import facts
from engine.researchers.prompt.collective import collective
from engine.researchers.prompt.mending import mending
from engine.researchers.prompt.profiled import profiled
from engine.researchers.prompt.quoting import DATA, fenced, quotable
from engine.researchers.prompt.results import history
from engine.researchers.prompt.size import clipped, cost, tokens
from engine.session.paths import SessionPaths

IN_A_ROW = 3
"""So many results without a keep, and the researcher is asked to think differently."""
_LEAST = 1500  # thirds of a token that must be left for everything besides instructions and code
_HEADING = 60
_STEP_BACK = (
    "{} experiments in a row were not kept. Step back and think differently: leave the neighbourhood of the last tries,"
    " question what all of them took for granted, change another part of the file, be bolder, or remove something."
)

_EARLIER = (
    "\n{} results of earlier segments, measured under other conditions, are not among these; each stands whole in {}."
)


def build(brief: Brief, answer: str = "", archive: str = "the session's autoresearch.jsonl") -> str:
    """The prompt; `answer` says how the researcher is to answer and stands last. The same brief gives the same text.

    `archive` says where it finds every result whole (see prompt.archive), for those that are shortened here.

    The instructions (program.md), the champion's files and `answer` are never cut. Errors: ResearcherFailed where they
    alone leave no room within settings.researcher.prompt_tokens.
    """
    program = _read(SessionPaths(brief.session).program)
    files = "\n\n".join(fenced(text, name) for name, text in brief.files.items())
    first = [
        ("Instructions", program or f"Improve {', '.join(brief.files)} so that {brief.metric.name} gets better."),
        ("Where you stand", facts.champion(brief)),
        ("The champion's files, to the letter", files),
    ]
    last = [("How to answer", answer)] if answer else []
    room = 3 * brief.settings.researcher.prompt_tokens - cost(_joined(first + last))
    if room < _LEAST:
        needed = tokens(_joined(first + last)) + _LEAST // 3
        raise ResearcherFailed(
            f"researcher.prompt_tokens is {brief.settings.researcher.prompt_tokens}, but program.md and"
            f" {', '.join(brief.files)} alone may need {needed}. Set it: overnight edit researcher.prompt_tokens"
            f" {-(-needed // 1000) * 1000 + 10000}",
            kind="settings",
            lasting=True,
        )
    rest = _rest(brief, room)
    room -= sum(cost(body) + cost(title) + 8 for title, body in rest) + _HEADING + 100
    results = history(brief.results, brief.metric, room - cost(_EARLIER + archive), archive)
    told = [("Results so far, oldest first", fenced(results, f"results, {DATA}") + _earlier(brief, archive))]
    return redacted(_joined(first + told + rest + last))


def _rest(brief: Brief, room: int) -> list[tuple[str, str]]:
    """What comes between the results and the end, each part within its share of `room`, empty ones left out."""
    parts = []
    if brief.mend is not None:
        mend = mending(brief.mend, brief.files, room // 2)
        room -= cost(mend)
        parts.append(("This experiment's change crashed: mend it", mend))
    paths, results = SessionPaths(brief.session), brief.results
    ideas = _read(paths.ideas).strip()
    parts = [
        ("How much is noise", facts.noise(results, brief.metric)),
        ("Where the champion's time goes", _data(profiled(brief), "profile", room // 10)),
        ("Dead ends", _data(facts.dead_ends(results), "dead ends", room // 10)),
        ("What other members of the swarm say", _data(collective(brief), "swarm", room // 5)),
        ("Ideas backlog (autoresearch.ideas.md)", _data(ideas, "ideas", room // 8)),
        ("The last run crashed; the end of its log", _data(brief.last_crash, "log", room // 8, end=True)),
        ("What the session's hooks said", _data(brief.hook_output, "hooks", room // 10)),
        ("Three failures in a row", _STEP_BACK.format(brief.failures_in_row) if _stuck(brief) else ""),
        ("Messages of the operator", _messages(brief, room // 4)),
        *parts,
        ("Your proposals for this experiment that were sent back", _refusals(brief, room // 8)),
    ]
    return [(title, body) for title, body in parts if body]


def _earlier(brief: Brief, archive: str) -> str:
    return _EARLIER.format(len(brief.earlier), archive) if brief.earlier else ""


def _stuck(brief: Brief) -> bool:
    return brief.failures_in_row >= IN_A_ROW


def _data(text: str, name: str, room: int, *, end: bool = False) -> str:
    """Somebody's text, fenced, at most `room` of it."""
    if not text.strip():
        return ""
    label = f"{name}, {DATA}"
    return fenced(clipped(quotable(text), room - cost(label) - _HEADING, end=end), label)


def _messages(brief: Brief, room: int) -> str:
    if not brief.messages:
        return ""
    lines = ["They are newer than the instructions and go before them. Answer each by its id, in a sentence."]
    share = room // len(brief.messages) - 2 * _HEADING
    for message in brief.messages:
        name = f"message id={' '.join(message.id.split())} from {' '.join(message.by.split())}"
        lines.append(fenced(clipped(quotable(message.text), share), name))
    return "\n".join(lines)


def _refusals(brief: Brief, room: int) -> str:
    told = tuple(dict.fromkeys((*brief.before, *brief.refusals)))
    if not told:
        return ""
    share = max(60, room // len(told) - 10)
    reasons = "\n".join(f"{n}. {clipped(quotable(text), share)}" for n, text in enumerate(told, 1))
    return _data(reasons, "reasons", room) + "\nPropose a change to which none of this applies."


def _joined(parts: list[tuple[str, str]]) -> str:
    return "".join(f"# {title}\n\n{body.rstrip()}\n\n" for title, body in parts)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ResearcherFailed(f"{path.name} cannot be read for the prompt: {error.strerror}") from error
