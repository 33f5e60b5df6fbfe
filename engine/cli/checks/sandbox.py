"""Which rung of the sandbox's ladder this machine reaches, and how to get higher."""

from engine.cli.checks.finding import Finding, Machine
from engine.work.sandbox import Rung, rung


def check(machine: Machine) -> list[Finding]:
    """Tried with the real program."""
    return [judge(rung())]


def judge(found: Rung) -> Finding:
    """What a rung means for a night."""
    if found.name == "full":
        text = "sandbox: full. Training has no network, sees no other process and writes only what is its own"
        return Finding("ok", text)
    if found.name == "shared":
        text = (
            f"sandbox: training has no network and writes only what is its own, but sees other processes: {found.why}"
        )
        return Finding("note", text, found.how_to_get_higher)
    text = f"sandbox: none; training and agents run with all your rights: {found.why}"
    return Finding("warning", text, found.how_to_get_higher)
