"""The table of `overnight swarm`'s actions; each module has `arguments(parser, verb)` and `run(args, out)`."""

from importlib.util import find_spec

from engine.cli.trouble import Refused, Usage
from engine.cli.verbs import Verb

ACTIONS: tuple[Verb, ...] = (
    Verb("init", "swarm.init", "make a swarm for the sessions of this machine, in one file"),
    Verb("serve", "swarm.serve", "run a hub for many machines"),
    Verb("invite", "swarm.owner", "a token that others join with"),
    Verb("revoke", "swarm.owner", "take nothing more from a member"),
    Verb("ban", "swarm.owner", "let no result of a train.py that cheats count"),
    Verb("join", "swarm.join", "make a session a member"),
    Verb("leave", "swarm.join", "end a session's membership"),
    Verb("status", "swarm.status", "where a session stands with its swarm"),
    Verb("overview", "swarm.overview", "everything that the console's swarm screen shows"),
    Verb("best", "swarm.looking", "the best result of each class"),
    Verb("results", "swarm.looking", "the newest results"),
    Verb("claims", "swarm.looking", "what is being tried now, and by whom"),
    Verb("leaderboard", "swarm.looking", "the members by their best"),
    Verb("hypotheses", "swarm.ideas", "what is worth trying; --add TEXT adds one"),
    Verb("insights", "swarm.ideas", "what was learnt; --add TEXT adds one"),
    Verb("ask", "swarm.ideas", "what the swarm knows of some words"),
    Verb("adopt", "swarm.adopt", "try another member's train.py as the next experiment"),
)

NEEDED = ("sqlalchemy", "cryptography")


def action(words: list[str]) -> tuple[Verb, list[str]]:
    """The action that `words` begin with, named as it is typed, and the rest. Errors: Usage, Refused."""
    names = {verb.name: verb for verb in ACTIONS}
    found = next((word for word in words if not word.startswith("-")), "")
    if found not in names:
        wrong = f"overnight swarm has no action {found!r}\n" if found else ""
        raise Usage(f"{wrong}{help_text()}")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Refused(f"overnight swarm needs {' and '.join(missing)}; mend: pip install 'overnight[swarm]'")
    rest = list(words)
    rest.remove(found)
    verb = names[found]
    return Verb(f"swarm {verb.name}", verb.module, verb.summary), rest


def help_text() -> str:
    """What `overnight swarm --help` prints."""
    lines = ["usage: overnight swarm ACTION …", "", *(f"  {verb.name:<12} {verb.summary}" for verb in ACTIONS)]
    return "\n".join([*lines, "", "overnight swarm ACTION --help tells about one."])
