"""The table of verbs: what each is called, does in one line, and which module to load for it."""

from typing import NamedTuple


class Verb(NamedTuple):
    """`module` is a module of this package with `arguments(parser, verb)` and `run(args, out)`; "" = the console."""

    name: str
    module: str
    summary: str


GROUPS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    (
        "watch",
        (
            Verb("attach", "", "open the console on a session (also: overnight without a verb)"),
            Verb("watch", "", "open the console on a folder, to look only"),
            Verb("status", "status", "where a session stands"),
            Verb("log", "log", "the table of experiments, or any results log"),
            Verb("show", "show", "one experiment: numbers, reasons, notes, diff"),
            Verb("report", "report", "what a session came to, as a page of Markdown"),
            Verb("mirror", "mirror", "bring trackio or Weights & Biases up to date"),
            Verb("journal", "journal", "the dated journal: versions, why and what, curves, samples, what is open"),
        ),
    ),
    (
        "begin",
        (
            Verb("demo", "demo", "a session on this machine's CPU, made, started and shown"),
            Verb("new", "new", "make a session"),
            Verb("prepare", "prepare", "get a session's data and tokenizer ready"),
            Verb("start", "start", "start a session's engine"),
            Verb("grow", "grow", "grow the model step by step, in the most efficient direction"),
            Verb("doctor", "doctor", "what is missing on this machine, and the exact mend"),
        ),
    ),
    (
        "steer",
        (
            Verb("pause", "steering", "rest after the experiment under way"),
            Verb("resume", "steering", "go on after a pause"),
            Verb("stop", "steering", "end the engine after the experiment under way"),
            Verb("abort", "steering", "end the experiment under way now"),
            Verb("say", "messages", "a message to the researcher"),
            Verb("note", "messages", "a note on an experiment or the session"),
            Verb("revert", "decisions", "bring back the champion that stood before a run"),
            Verb("keep", "decisions", "make a run the champion"),
            Verb("undo", "decisions", "take the last revert or keep back"),
            Verb("edit", "edit", "change one setting"),
        ),
    ),
    (
        "look closer",
        (
            Verb("rerun", "rerun", "measure a run once more, with its commit, seed and budget"),
            Verb("profile", "profile", "where the time of a run's training steps goes"),
            Verb("find-lr", "find_lr", "raise the learning rate until training diverges: curve, suggestions"),
            Verb("sample", "sample", "text written by a run's kept weights"),
        ),
    ),
    (
        "together",
        (Verb("swarm", "swarm", "the memory that sessions share: init, join, status, best, adopt …"),),
    ),
    (
        "by hand",
        (
            Verb("metrics", "metrics", "METRIC lines of standard input as JSON"),
            Verb("record", "record", "append one result to a log"),
        ),
    ),
)

VERBS: dict[str, Verb] = {verb.name: verb for _, verbs in GROUPS for verb in verbs}


def help_text() -> str:
    """What `overnight --help` prints."""
    lines = [
        "usage: overnight [--sessions DIR] [VERB …]",
        "",
        "A terminal supervisor for autonomous ML research loops. Without a verb: the console on the newest session.",
    ]
    for title, verbs in GROUPS:
        lines += ["", f"{title}:", *(f"  {verb.name:<9} {verb.summary}" for verb in verbs)]
    lines += [
        "",
        "options:",
        "  --sessions DIR  where sessions live (default: OVERNIGHT_SESSIONS, else ./sessions)",
        "  --version       print the version",
        "  -h, --help      this page; overnight VERB --help tells about one verb",
        "",
        "SESSION is a name in the sessions folder or a path; the newest session without one.",
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such session, 4 refused, 130 interrupted.",
    ]
    return "\n".join(lines)
