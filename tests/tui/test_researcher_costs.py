"""The researcher on the screen, with a real engine and a real program: its words live, its answers, its cost."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.loop.lab import OUTSIDE, Lab
from tests.tui.piloting import console, screen_text, until
from tui.app import OvernightApp

AGENT = """
import json, pathlib, re, sys, time
prompt, gates = sys.stdin.read(), pathlib.Path(sys.argv[1])
train = pathlib.Path("train.py")
number = len(list(gates.glob("asked-*"))) + 1
(gates / f"asked-{number}").touch()
print(f"thought {number}: ALPHA looks too large", flush=True)
while not (gates / f"go-{number}").exists():
    time.sleep(0.02)
print(f"thought {number} is done", flush=True)
train.write_text(train.read_text().replace("ALPHA = ", f"GAMMA_{number} = {number}\\nALPHA = "))
asked = re.findall(r'"([^"\\s]+)": "…"', prompt)
pathlib.Path("PROPOSAL.json").write_text(json.dumps({
    "description": f"try gamma {number}",
    "asi": {"hypothesis": "why not"},
    "answers": {name: "I shall leave ALPHA alone" for name in asked if name not in ("hypothesis",)},
    "usage": {"cost_usd": 0.25, "input_tokens": 3000, "output_tokens": 200},
}))
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OVERNIGHT_OPERATOR", "ann")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("TMUX", raising=False)


class Talk:
    """A session whose researcher is AGENT; `let(n)` lets its n-th answer come."""

    def __init__(self, root: Path, limits: str = "") -> None:
        self.gates = root / "gates"
        self.gates.mkdir()
        program = root / "agent.py"
        program.write_text(AGENT)
        command = [sys.executable, str(program), str(self.gates)]
        researcher = f'[researcher]\nkind = "agent"\ncommand = {command!r}\nfallback = ""\n'
        self.lab = Lab(root / "toy", settings=f"{researcher}\n[gate]\njump = 0\n{limits}{OUTSIDE}")
        self.engine: subprocess.Popen[str] | None = None

    def start(self) -> "Talk":
        self.engine = self.lab.engine()
        return self

    def let(self, *numbers: int) -> None:
        for number in numbers:
            (self.gates / f"go-{number}").touch()

    def close(self) -> None:
        if self.engine is not None:
            self.engine.terminate()
            self.engine.communicate(timeout=60)


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    made = Talk(tmp_path)
    yield made
    made.close()


async def shown(app: OvernightApp, pilot: Pilot[str], pattern: str) -> str:
    """Wait until the screen's words, without their folds, match `pattern`."""
    words = ""

    def there() -> bool:
        nonlocal words
        words = " ".join(screen_text(app).split())
        return re.search(pattern, words) is not None

    try:
        await until(pilot, there)
    except TimeoutError:
        raise AssertionError(f"{pattern!r} never came; the screen:\n{screen_text(app)}") from None
    return words


async def test_what_it_says_is_live_and_a_message_is_followed_to_its_answer(talk: Talk) -> None:
    talk.start()
    async with console(talk.lab) as (app, pilot):
        await pilot.press("6")
        await shown(app, pilot, r"run 2: agent is thinking .*thought 1: ALPHA looks too large")
        await pilot.press("m", *"leave ALPHA", "enter")
        await shown(app, pilot, r"ann: leave ALPHA queued: the next prompt carries it")
        talk.let(1)
        await shown(app, pilot, r"run 3: agent is thinking .*thought 2")
        talk.let(2)
        await shown(app, pilot, r"ann: leave ALPHA queued → delivered in run 3 → answered: I shall leave ALPHA alone")
        await shown(app, pilot, r"\$0\.50")


async def test_its_words_are_kept_with_each_run_and_opened_by_a_key(talk: Talk) -> None:
    talk.let(1, 2)
    talk.start()
    talk.lab.wait(lambda state: len(state.experiments) > 3)
    async with console(talk.lab) as (app, pilot):
        await pilot.press("1", "home", "down")
        await until(pilot, lambda: app.view.selected == 2)
        await pilot.press("t")
        await shown(app, pilot, r"run 2's researcher \(f: the live log\).*thought 1: ALPHA.*thought 1 is done")
        await pilot.press("1", "end", "t")
        await shown(app, pilot, r"run 4's researcher .*following.*thought 3: ALPHA")
        talk.let(3)
        await shown(app, pilot, r"thought 3 is done")
        await pilot.press("f")
        await until(pilot, lambda: app.main.runlog.run is None and not app.main.runlog.words)


async def test_what_a_run_cost_is_in_its_notes_and_beside_the_talk(talk: Talk) -> None:
    talk.let(1)
    talk.start()
    talk.lab.wait(lambda state: len(state.experiments) > 2)
    talk.close()
    talk.engine = None
    told = talk.lab.overnight("show", "2", str(talk.lab.root)).stdout
    assert "$0.25, 3,000 tokens in, 200 out" in told and "runs/0002/researcher.log" in told
    async with console(talk.lab) as (app, pilot):
        await pilot.press("1", "home", "down", "4")
        await shown(app, pilot, r"used \$0\.25, 3,000 tokens in, 200 out")
        await pilot.press("6")
        await shown(app, pilot, r"run 2: custom, \$0\.25, 3,000 tokens in, 200 out; t shows its words")


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("experiments = 2", "the limit of 2 experiments is reached"),
        ("cost_usd = 0.4", "the limit of 0.4 USD is reached"),
        ("tokens = 6000", "the limit of 6000 tokens is reached"),
        ("hours = 0.0000001", "the limit of 1e-07 hours is reached"),
    ],
)
async def test_a_budget_that_is_spent_pauses_and_says_so_everywhere(limit: str, reason: str, tmp_path: Path) -> None:
    talk = Talk(tmp_path, f"\n[limits]\n{limit}\n")
    talk.let(*range(1, 9))
    try:
        talk.start()
        state = talk.lab.wait(lambda state: state.paused)
        assert state.pause_reason == reason and state.pause_by == "engine"
        assert len(state.experiments) == (0 if "hours" in limit else 3)
        status = talk.lab.overnight("status", str(talk.lab.root)).stdout
        assert f"paused by engine: {reason}" in status
        async with console(talk.lab) as (app, pilot):
            await shown(app, pilot, rf"paused by engine \({re.escape(reason)}\)")
    finally:
        talk.close()


def test_a_start_can_be_given_what_its_thinking_may_cost(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.let(*range(1, 9))
    for option, reason in (("--cost-usd=0.3", "the limit of 0.3 USD"), ("--tokens=3000", "the limit of 3000 tokens")):
        done = talk.lab.overnight("start", str(talk.lab.root), "--foreground", option)
        assert done.returncode == 0 and f"{reason} is reached" in done.stderr
    assert len(talk.lab.state().experiments) == 1 + 2 + 1
    refused = talk.lab.overnight("start", str(talk.lab.root), "--foreground", "--cost-usd=-1")
    assert refused.returncode == 2 and "--cost-usd is -1.0; expected a number of at least 0" in refused.stderr
