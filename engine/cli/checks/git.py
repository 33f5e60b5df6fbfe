"""The git command and who commits."""

import re
import shutil

from engine.cli.checks.finding import Finding, Machine, ask

LEAST = (2, 30)


def check(machine: Machine) -> list[Finding]:
    """Presence, version, identity."""
    if shutil.which("git", path=machine.environ.get("PATH")) is None:
        install = "sudo apt-get install git   (or your system's own way)"
        return [Finding("failing", "git is not installed; every session is a repository", install)]
    found = [version(ask("git", "--version", environ=machine.environ) or "")]
    name, mail = (ask("git", "config", "--global", f"user.{key}", environ=machine.environ) for key in ("name", "email"))
    if name and mail:
        found.append(Finding("ok", f"commits are made by {name} <{mail}>"))
    else:
        found.append(
            Finding(
                "note",
                "git knows no name of yours; sessions commit as overnight <overnight@localhost>",
                "git config --global user.name 'Your Name' && git config --global user.email you@example.org",
            )
        )
    return found


def version(said: str) -> Finding:
    """What `git --version` said."""
    match = re.search(r"(\d+)\.(\d+)(?:\.\d+)?", said)
    if match is None:
        return Finding("failing", f"git --version said {said!r}, which is no version", "reinstall git")
    if (int(match[1]), int(match[2])) < LEAST:
        return Finding("failing", f"git {match[0]}; 2.30 or later is needed", "sudo apt-get install --only-upgrade git")
    return Finding("ok", f"git {match[0]}")
