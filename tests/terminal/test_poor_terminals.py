"""Terminals without colours, of an old kind, of odd sizes, and fingers on wrong keys."""

import re
from collections.abc import Callable

from tests.terminal.gated import Gated
from tests.terminal.screen import Terminal, until

Attach = Callable[..., Terminal]
_COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[\d;]*)?m")


def test_no_color_means_no_colour_at_all_and_the_states_are_still_told_apart(session: Gated, attach: Attach) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1, 2, 3)
    session.training(4)
    console = attach(120, 40, environ={"NO_COLOR": "1"})
    console.wait_for("training 50%")
    console.wait_for(r"★ +2 .* keep")
    console.wait_for(r"· +3 .* discard")
    console.press("K")
    console.wait_for(r"Keep run 4[?]|no result|cannot|under way|not")
    assert _COLOUR.findall(console.coded()) == []
    coloured = attach(120, 40)
    coloured.wait_for(r"★ +2 .* keep")
    assert _COLOUR.findall(coloured.coded())


def test_an_old_terminal_shows_the_same_words(session: Gated, attach: Attach) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1)
    session.training(2)
    old, new = attach(environ={"TERM": "xterm"}), attach()
    for console in (old, new):
        console.wait_for("training 50%")
    until(lambda: old.still() == new.still(), f"the same words:\n{old.still()}\n{new.still()}")


def test_a_dialog_and_the_pane_behind_it_survive_any_size(session: Gated, attach: Attach) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1)
    session.training(2)
    console = attach(80, 24)
    console.wait_for("training 50%")
    console.press("6")
    console.wait_for("6 researcher")
    console.press("x")
    console.wait_for("Abort run 2[?]")
    for columns, rows in ((200, 50), (40, 12), (132, 30), (80, 24)):
        console.resize(columns, rows)
        until(lambda rows=rows: len(console.text().splitlines()) == rows, f"{rows} rows")
        console.wait_for("Abort run 2[?]")
        console.wait_for("y  abort")
    console.press("Escape")
    console.wait_for("Abort run 2[?]", gone=True)
    console.wait_for("6 researcher")
    current = session.state().current
    assert current is not None
    assert not current.abort


def test_keys_that_mean_nothing_do_nothing(session: Gated, attach: Attach) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1)
    session.training(2)
    journal = session.paths.journal.read_bytes()
    console = attach()
    console.wait_for("training 50%")
    console.press("F5", "C-l", "M-x", "C-t", "%", "0", "9", "BSpace", "Escape", "Escape", "IC", "M-[", "C-Up")
    console.type("é漢\u200f🙂")
    console.press("1", "g", "u")  # nothing was decided, so there is nothing to undo
    console.wait_for("nothing|no decision|undo")
    console.press("?")
    console.wait_for("take back|Esc")
    console.press("Escape")
    console.wait_for("training 50%")
    assert session.paths.journal.read_bytes() == journal
    assert not console.ended
