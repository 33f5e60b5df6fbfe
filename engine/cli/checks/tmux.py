"""Settings of the tmux around us that make the console slow, grey or mute."""

import shutil
from collections.abc import Mapping

from engine.cli.checks.finding import Finding, Machine, ask


def check(machine: Machine) -> list[Finding]:
    """The running server's settings; nothing where none runs."""
    if shutil.which("tmux", path=machine.environ.get("PATH")) is None:
        text = "tmux is not installed; the loop survives a lost line all the same"
        return [Finding("note", text, "sudo apt-get install tmux")]
    said = [ask("tmux", "show-options", scope, environ=machine.environ, timeout_s=5) for scope in ("-s", "-g")]
    if said[0] is None:
        return [Finding("note", "no tmux server is running; nothing to check")]
    return judge(options("\n".join(text or "" for text in said)), "TMUX" in machine.environ)


def options(text: str) -> dict[str, str]:
    """`name value` lines, array indices folded into one value."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        name = name.partition("[")[0]
        found[name] = f"{found[name]} {value}" if name in found and "[" in line.partition(" ")[0] else value.strip('"')
    return found


def judge(settings: Mapping[str, str], inside: bool) -> list[Finding]:
    """What hurts, each with the line for ~/.tmux.conf (also to be typed after `tmux`)."""
    found = []
    escape = settings.get("escape-time", "500")
    if escape.isdecimal() and int(escape) > 50:
        text = f"tmux waits {escape} ms after every Esc; keys feel stuck"
        found.append(Finding("warning", text, "set -s escape-time 10"))
    terminal = settings.get("default-terminal", "screen")
    if "256color" not in terminal and "direct" not in terminal:
        text = f"tmux shows eight colours (default-terminal {terminal})"
        found.append(Finding("warning", text, "set -g default-terminal tmux-256color"))
    features = settings.get("terminal-features", "") + settings.get("terminal-overrides", "")
    if "RGB" not in features and "Tc" not in features:
        text = "tmux rounds colours to 256; the console is readable so"
        found.append(Finding("note", text, "set -as terminal-features ',*:RGB'"))
    if settings.get("set-clipboard", "external") != "on":
        text = f"tmux drops what the console copies (set-clipboard {settings.get('set-clipboard', 'external')})"
        found.append(Finding("warning", text, "set -s set-clipboard on"))
    if settings.get("focus-events", "off") != "on":
        text = "tmux does not tell the console when it is looked at"
        found.append(Finding("note", text, "set -s focus-events on"))
    if not found:
        found.append(Finding("ok", "tmux: escape-time, colours, clipboard and focus are right"))
    if not inside:
        found.append(Finding("note", "a tmux server runs, and this shell is not in it"))
    return found
