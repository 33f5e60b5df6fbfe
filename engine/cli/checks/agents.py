"""Coding agents: which programs are installed, whether they answer, and whether they have credentials."""

from __future__ import annotations

import os
import shutil

from engine.cli.checks.finding import Finding, Machine, ask
from engine.researchers.agent import credentials
from engine.researchers.agent.preset import Preset, presets
from engine.session.settings import Researcher
from engine.work import sandbox


def check(machine: Machine) -> list[Finding]:
    """One finding for each agent that is installed, and one for all that are not."""
    found, missing = [], []
    for name, preset in presets().items():
        program = shutil.which(preset.program, path=machine.environ.get("PATH"))
        if program is None:
            missing.append(name)
        else:
            found.append(_installed(machine, name, preset, program))
    if missing:
        text = f"agents not installed: {', '.join(missing)}"
        mend = presets()[missing[0]].install if not found else ""
        found.append(Finding("note", f"{text}; one is needed only for researcher.kind = agent", mend))
    return found


def _installed(machine: Machine, name: str, preset: Preset, program: str) -> Finding:
    """What is known of one that is there: its version, and its credentials by the name of their place."""
    environment = credentials.environment(machine.environ, preset, Researcher(agent=name))
    said = ask(program, "--version", environ=environment, timeout_s=30)
    if said is None:
        text = f"{preset.title} is installed ({program}), and `{preset.program} --version` fails"
        return Finding("warning", text, preset.install)
    version = said.splitlines()[0].strip() if said else "of no known version"
    known = credentials.known(preset, Researcher(agent=name), machine.environ)
    if not known:
        return Finding("warning", f"{preset.title} ({version}) is installed and has no credentials", preset.login)
    use = f"use it: overnight edit researcher.agent {name}, overnight edit researcher.kind agent"
    rooted = "; it runs as root here" if os.geteuid() == 0 else ""
    if sandbox.rung().name == "none":
        rooted += "; without a sandbox it can reach whatever you can (see the area sandbox)"
    return Finding("ok", f"{preset.title} ({version}), credentials in {', '.join(known)}{rooted}; {use}")
