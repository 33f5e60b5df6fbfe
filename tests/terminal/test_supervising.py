"""An evening at the console, in a real tmux: each deed is seen on the screen and in the session's records."""

from collections.abc import Callable

import pytest

from tests.terminal.gated import Gated
from tests.terminal.screen import Terminal, until

Attach = Callable[..., Terminal]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50)])
def test_the_loop_is_started_watched_and_steered_by_keys(
    session: Gated, attach: Attach, columns: int, rows: int
) -> None:
    console = attach(columns, rows)
    console.wait_for("never started")
    console.press("r")
    console.wait_for("the engine has started")
    pid = session.engine_pid
    assert pid

    _an_experiment_ends(session, console)
    _pause_and_message(session, console)
    _abort(session, console)
    _revert_undo_keep(session, console)

    console.press("q")
    assert "detached; the loop goes on: overnight attach toy" in console.last_words()
    assert session.engine_pid == pid


def _an_experiment_ends(session: Gated, console: Terminal) -> None:
    console.wait_for(r"training 50%")
    session.let(1)
    session.training(2)
    console.wait_for(r"★ +1 +1\.610000")
    session.let(2)
    console.wait_for(r"★ +2 +1\.266900 +-0\.343100")
    assert session.result(2)["status"] == "keep"


def _pause_and_message(session: Gated, console: Terminal) -> None:
    session.training(3)
    console.press("p")
    console.wait_for(r"training.*pausing after this experiment…")
    session.wait(lambda state: state.paused)
    session.let(3)
    console.wait_for("paused by ann")
    console.wait_for(r"· +3 +1\.340000 +\+0\.073100")
    assert session.result(3)["status"] == "discard"

    console.press("6", "m")
    console.wait_for("message to the researcher")
    console.type("try BETA: 0.5 (q, x and p are letters here)")
    console.press("Enter")
    console.wait_for(r"ann: try BETA: 0\.5")
    console.wait_for("queued: the next prompt carries it")
    (message,) = session.wait(lambda state: state.undelivered()).undelivered()
    assert (message.by, message.args["text"]) == ("ann", "try BETA: 0.5 (q, x and p are letters here)")

    console.press("p")
    session.training(4)
    console.wait_for(r"queued → delivered in run 4 → answered")
    assert session.state().commands[message.id].delivered_in == 4


def _abort(session: Gated, console: Terminal) -> None:
    console.press("1", "x")
    console.wait_for("Abort run 4[?]")
    console.press("x", "Enter")  # the same key again does nothing, and Enter is on Cancel
    console.wait_for("Abort run 4[?]", gone=True)
    current = session.state().current
    assert current is not None
    assert not current.abort
    console.press("x")
    console.wait_for("Abort run 4[?]")
    console.press("y")
    console.wait_for(r"^.{0,2} +4 .*crash")
    assert session.result(4)["status"] == "crash"
    assert "ann" in session.wait(lambda state: state.experiments[3].phase == "ended").experiments[3].abort


def _revert_undo_keep(session: Gated, console: Terminal) -> None:
    session.training(5)
    console.press("p")
    console.wait_for("pausing after this experiment…")
    session.let(5)
    console.wait_for("paused by ann")

    console.press("g", "j", "R")
    console.wait_for("Revert run 2[?]")
    console.wait_for(r"champion is +run 1  1\.610000")
    console.wait_for(r"ALPHA = 0\.9")
    console.press("y")
    console.wait_for(r"★ +1 +1\.610000")
    until(lambda: len(session.overrides()) == 1, "the revert in the public log")
    assert {name: session.overrides()[0][name] for name in ("run", "status", "by")} == {
        "run": 2,
        "status": "discard",
        "by": "ann",
    }
    assert "ALPHA = 0.9" in (session.root / "train.py").read_text()

    console.press("u")
    console.wait_for("Undo the last decision[?]")
    console.press("y")
    console.wait_for(r"★ +2 +1\.266900")
    until(lambda: len(session.overrides()) == 2, "the undoing in the public log")
    assert "ALPHA = 0.9" not in (session.root / "train.py").read_text()

    console.press("j", "K")
    console.wait_for("Keep run 3[?]")
    console.press("y")
    console.wait_for(r"★ +3 +1\.340000")
    until(lambda: session.overrides()[-1]["run"] == 3, "the keep in the public log")
    assert session.overrides()[-1]["status"] == "keep"
    champion = session.state().champion
    assert champion is not None
    assert champion.run == 3


def test_a_second_console_sees_who_did_what_and_attaching_again_shows_the_same(session: Gated, attach: Attach) -> None:
    session.overnight("start", "-s", str(session.root))
    session.let(1, 2)
    session.training(3)
    first = attach(operator="ann")
    second = attach(operator="bob")
    looker = attach(80, 24, "--read-only", operator="eve")
    for console in (first, second, looker):
        console.wait_for("training 50%")
    looker.wait_for("READ-ONLY")
    looker.press("p", "x")
    looker.wait_for("read-only: this console only looks")
    second.press("p")
    first.wait_for("pausing after this experiment…")
    session.let(3)
    for console in (first, second, looker):
        console.wait_for("paused by bob")
    first.press("p")
    session.training(4)
    for console in (first, second, looker):
        console.wait_for("training 50%")
    by = [command.by for command in session.state().commands.values()]
    assert by == ["bob", "ann"]

    first.press("q")
    until(lambda: first.ended, "the end of the first console")
    again = attach(operator="ann")
    again.wait_for("training 50%")
    until(lambda: again.still() == second.still(), f"the same screen:\n{again.still()}\n{second.still()}")
