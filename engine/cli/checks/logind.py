"""Whether logging out kills the loop: systemd-logind's KillUserProcesses."""

import getpass
import shlex
from pathlib import Path

from engine.cli.checks.finding import Finding, Machine

_FOLDERS = ("usr/lib/systemd", "run/systemd", "etc/systemd")


def check(machine: Machine) -> list[Finding]:
    """What the configuration says for this user."""
    if not (machine.root / "run/systemd/system").is_dir():
        return [Finding("ok", "no systemd here; logging out kills nothing")]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    return [judge(configuration(machine.root), user)]


def configuration(root: Path) -> dict[str, str]:
    """The [Login] keys of logind.conf and its drop-ins; as systemd does, a later file name wins over an earlier one,
    and etc over run over usr.
    """
    main = [root / folder / "logind.conf" for folder in _FOLDERS]
    drops: dict[str, Path] = {}
    for folder in _FOLDERS:
        for path in sorted((root / folder / "logind.conf.d").glob("*.conf")):
            drops[path.name] = path
    there = [path for path in main if path.is_file()]
    found: dict[str, str] = {}
    for path in [*there[-1:], *(drops[name] for name in sorted(drops))]:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith(("#", ";")):
                found[key.strip()] = value.strip()
    return found


def judge(settings: dict[str, str], user: str) -> Finding:
    """Whether `user`'s processes fall at the end of a login."""
    kills = settings.get("KillUserProcesses", "no").lower() in ("yes", "true", "1", "on")
    only, spared = settings.get("KillOnlyUsers", "").split(), settings.get("KillExcludeUsers", "root").split()
    if user in spared or (only and user not in only):
        kills = False
    if not kills:
        return Finding("ok", "logind leaves processes alone when you log out")
    return Finding(
        "warning",
        "logind kills all your processes when you log out (KillUserProcesses=yes), the engine too",
        "printf '[Login]\\nKillUserProcesses=no\\n' | sudo tee /etc/systemd/logind.conf.d/overnight.conf"
        " && sudo systemctl kill -s HUP systemd-logind"
        f"   (without root: loginctl enable-linger {shlex.quote(user)}, then start with"
        " systemd-run --user --scope overnight start)",
    )
