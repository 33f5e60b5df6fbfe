"""The operator's line is lost while training, again and again: the loop does not notice, and attaching is exact."""

import random
import time
from collections.abc import Callable

from tests.terminal.gated import Gated
from tests.terminal.screen import Terminal, alive, until


def test_ten_lost_terminals_change_nothing_and_attaching_is_exact(
    session: Gated, attach: Callable[..., Terminal]
) -> None:
    chance = random.Random(20260305)
    stayed = attach()
    stayed.wait_for("never started")
    first = attach()
    first.wait_for("never started")
    first.press("r")
    until(lambda: session.engine_pid, "an engine")
    engine = session.engine_pid
    lost = [first]
    for run in range(1, 10):
        console = attach()
        lost.append(console)
        session.training(run)
        # Anywhere between its first import and a screen that has long been up.
        time.sleep(chance.uniform(0.0, 0.6))
        held = console.pid()
        console.close()
        until(lambda held=held: not alive(held), "the end of the console whose terminal is gone")
        session.let(run)
    held = first.pid()
    first.close()
    until(lambda: not alive(held), "the end of the console that started the engine")
    session.training(10)
    assert session.engine_pid == engine
    assert [run.run for run in session.state().experiments] == list(range(1, 11))
    assert not any(run.status == "crash" for run in session.state().experiments)

    again = attach()
    again.wait_for("training 50%")
    until(lambda: again.still() == stayed.still(), f"the same screen:\n{again.still()}\n{stayed.still()}")
    session.let(10)
    session.training(11)
    assert session.engine_pid == engine
