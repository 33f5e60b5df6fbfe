"""What a training script prints is shown, and nothing of it reaches the operator's terminal as a command."""

from collections.abc import Callable

from tests.terminal.gated import Gated
from tests.terminal.screen import Terminal, until

HOSTILE = b"".join(
    (
        b"\x1b]0;owned title\x07\x1b]52;c;b3duZWQ=\x07",
        b"red \x1b[31;5;45mtext\x1b[0m and \x1b[2J\x1b[H home\n",
        b"x" * 1_000_000 + b"\n",
        b"not text: \xff\xfe\xc3\x28 \x00\x00 end\n",
        "right to left: \u202egnp.exe\u202c \u200f\u2066marks\u2069\n".encode(),
        b"\x9b31m C1 \x90q sixel \x9c \x1bPq#0;2;0;0;0\x1b\\ \x1b_application\x1b\\\n",
        b"bell \x07 back\x08\x08 tab\t vertical\x0b form\x0c delete\x7f\n",
        b"\x1b[?1049l\x1b[?1000h\x1bc the last line\n",
    )
)
_BLINK, _RED_ON_MAGENTA = "\x1b[5", "\x1b[31;45"


def test_a_hostile_log_is_shown_and_harms_nothing(session: Gated, attach: Callable[..., Terminal]) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1)
    session.training(2)
    until(lambda: b"end of run 1" not in session.paths.run_log.read_bytes(), "run 2's own log")
    until(lambda: b"50.0%" in session.paths.run_log.read_bytes(), "run 2's own log")
    session.paths.run_log.write_bytes(HOSTILE)
    console = attach(120, 40)
    console.wait_for("overnight|toy")
    console.press("2", "z")
    console.wait_for("the last line")
    text, coded = console.text(), console.coded()
    assert "red" in text
    assert _BLINK not in coded
    assert _RED_ON_MAGENTA not in coded
    for mark in "\u202e\u202c\u200f\u2066\u2069\x07\x08\x00\x9b\x90":
        assert mark not in coded
    assert "toy" in text.splitlines()[0]  # the screen was neither cleared nor left
    title = console.option("pane_title")
    assert "owned" not in title
    assert "toy" in title
    console.press("g")
    console.press("G")
    console.wait_for("the last line")
    console.press("q")
    assert "detached; the loop goes on" in console.last_words()
