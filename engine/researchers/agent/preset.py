"""What is known of an agent's program, as a record: how it is called, how its stream is read, where its key lies."""

import functools
import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from engine.researchers.base import ResearcherFailed
from engine.session import settings


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one kind of JSON line is read. Everything but `when` and `where` names places by dotted paths.

    It applies where the event has the values in `when`; then to each item of the list at `each` (without it to the
    event) that has those in `where`. `say`: text of the agent (`delta`: a piece of it); `tool`, `detail`: a tool's name
    and what it was given; `note`: a passing trouble; `failed`: why it ends in failure; `cost` in US dollars, `input`
    and `output` in tokens, summed up, of the whole run so far where `total`; `wait_ms`: how long the other side asks
    to wait.
    """

    when: dict[str, str | bool]
    each: str = ""
    where: dict[str, str | bool] = {}
    say: str = ""
    delta: bool = False
    tool: str = ""
    detail: str = ""
    note: list[str] = []
    failed: list[str] = []
    session: str = ""
    cost: str = ""
    input: list[str] = []
    output: list[str] = []
    total: bool = False
    wait_ms: str = ""


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One agent. In `argv`, {prompt} stands for the prompt's file (without it the prompt comes on standard input),
    {files} for the editable files, {server} for `server_argv` where researcher.base_url is set.

    `environment` is set always, `confined_environment` only where the sandbox holds it (a claim of being in one).
    `credentials`: variables of which it gets those that are set; every other credential is taken from its environment.
    `credential_files`: where it keeps what a login brought. `homes`: what it writes of the user's home, a folder with
    "/" at its end. `matches`: expressions for plain lines with groups
    named input, output, cost, failed. `leaves`: patterns of what it leaves behind, which is not part of a change.
    """

    title: str
    argv: list[str]
    model: list[str] = []
    install: str = ""
    login: str = ""
    credentials: list[str] = []
    credential_files: list[str] = []
    homes: list[str] = []
    server: dict[str, str] = {}
    server_argv: list[str] = []
    environment: dict[str, str] = {}
    confined_environment: dict[str, str] = {}
    leaves: list[str] = []
    read: list[Reading] = []
    matches: list[str] = []

    @property
    def program(self) -> str:
        """The executable's name."""
        return self.argv[0]

    def command(self, given: settings.Researcher, prompt: str, files: list[str]) -> list[str]:
        """The whole argv for these settings."""
        lists = {"{files}": files, "{server}": [self._filled(part, given) for part in self.server_argv]}
        if not given.base_url:
            lists["{server}"] = []
        argv: list[str] = []
        for part in self.argv:
            argv += lists[part] if part in lists else [part.replace("{prompt}", prompt).replace("{model}", given.model)]
        # Right after the program and its verb, ahead of what only counts at the end.
        options = [part.replace("{model}", given.model) for part in self.model] if given.model else []
        at = next((number for number, part in enumerate(argv) if number and part.startswith("-")), len(argv))
        return argv[:at] + options + argv[at:]

    def variables(self, given: settings.Researcher) -> dict[str, str]:
        """What it needs in its environment besides its credentials."""
        server = {name: self._filled(value, given) for name, value in self.server.items()} if given.base_url else {}
        return {**self.environment, **server}

    def secrets(self, given: settings.Researcher) -> list[str]:
        """The variables whose values it may see."""
        return [given.key_env] if given.key_env else self.credentials

    def _filled(self, text: str, given: settings.Researcher) -> str:
        there = (name for name in self.credentials if os.environ.get(name))
        key = given.key_env or next(there, next(iter(self.credentials), ""))
        return text.replace("{base_url}", given.base_url).replace("{key_env}", key)


@functools.cache
def presets() -> dict[str, Preset]:
    """The known agents by name."""
    text = resources.files(__package__).joinpath("presets.toml").read_text(encoding="utf-8")
    tables: dict[str, Any] = tomllib.loads(text)
    return {name: msgspec.convert(table, Preset) for name, table in tables.items()}


def in_session(preset: Preset, session: Path) -> Preset:
    """`preset` with a program that is named by a relative path taken from the session's folder, not the work tree's."""
    program = preset.program
    if "/" not in program or program.startswith("/"):
        return preset
    return msgspec.structs.replace(preset, argv=[str(session / program), *preset.argv[1:]])


def chosen(given: settings.Researcher) -> tuple[str, Preset]:
    """Name and preset that the settings ask for. Errors: ResearcherFailed (missing) where they name none."""
    known = presets()
    if given.agent in known and not given.command:
        return given.agent, known[given.agent]
    if given.command:
        like = known.get(given.agent)
        base = like or Preset(title=given.agent or "custom", argv=[])
        return given.agent or "custom", msgspec.structs.replace(base, argv=given.command)
    found = f"researcher.agent is {given.agent!r}, which is not known" if given.agent else "researcher.agent is not set"
    raise ResearcherFailed(
        f"{found}; there are: {', '.join(known)}. Set it: overnight edit researcher.agent {next(iter(known))}"
        " (or researcher.command to a program of your own)",
        kind="missing",
    )
