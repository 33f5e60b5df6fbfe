"""Ten experiments by a language model through the real engine, against servers that misbehave on the way."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from engine.session import events as ev
from engine.session import journal, publiclog
from engine.session.state import State
from tests.loop.lab import ENV, Lab
from tests.researchers.fake_api import KEY, USAGE, FakeApi, Part, Play, fake_api

pytest.importorskip("pydantic_ai", reason="the extra `llm` is not installed")

SETTINGS = """[researcher]
kind = "llm"
model = "{protocol}:scripted"
base_url = "{url}"
key_env = "TOY_KEY"
timeout_s = 3

[gate]
jump = 0
"""
PROTOCOLS = ("openai", "anthropic")


def step(request: dict[str, Any], search: str = "") -> dict[str, Any]:
    """The scripted model: it reads the champion's ALPHA in the prompt and proposes to lower it a little."""
    said = json.dumps(request, ensure_ascii=False)
    old = re.search(r"ALPHA = ([0-9.]+)  # first", said)
    assert old
    new = f"{float(old[1]) - 0.05:.2f}"
    return {
        "description": f"ALPHA {old[1]}→{new}",
        "asi": {"hypothesis": f"less than {old[1]} is nearer", "next_action_hint": f"go below {new}"},
        "edits": [{"file": "train.py", "search": search or f"ALPHA = {old[1]} ", "replace": f"ALPHA = {new} "}],
    }


def good(request: dict[str, Any]) -> Play:
    return {"answer": step(request), "pieces": 5}


def astray(request: dict[str, Any]) -> Play:
    return {"answer": step(request, search="GAMMA = 1")}


def half(request: dict[str, Any]) -> Play:
    return {"cut": step(request)}


NIGHT: list[tuple[list[Part], str]] = [
    ([], ""),
    ([{"arguments": '{"description": 3'}, {"text": "Let me think."}], ""),
    ([astray], ""),
    ([{"status": 429, "headers": {"retry-after": "2"}}], "rate_limit"),
    ([{"status": 500}], "server"),
    ([{"stall": True}], "timeout"),
    ([half], "network"),
    ([{"status": 401, "body": {"error": {"message": f"wrong key {KEY}"}}}], "credentials"),
    ([{"look": {"query": "alpha 0.9→0.85"}}], ""),
    ([{"refusal": "That is against my rules."}], "refusal"),
]
"""For each experiment: what comes before the good answer, and the kind of failure that it is (none: corrected)."""


class Night:
    """A session after its night, and the server that it talked to."""

    def __init__(self, lab: Lab, api: FakeApi) -> None:
        self.lab, self.api = lab, api
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli.front", "start", str(lab.root), "--foreground", "--experiments", "10"],
            env={**ENV, "TOY_KEY": KEY},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> None:
        """Wait for the morning."""
        try:
            self.told = self.process.communicate(timeout=120)[0]
        finally:
            self.process.kill()
        assert self.process.returncode == 0, self.told

    def state(self) -> State:
        return self.lab.state()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Night]]:
    """One night for each protocol, both at once: most of a night is waiting."""
    plays = [part for before, _ in NIGHT for part in [*before, good]]
    with ExitStack() as stack:
        found = {}
        for protocol in PROTOCOLS:
            api = stack.enter_context(fake_api(*plays))
            url = api.url + ("/v1" if protocol == "openai" else "")
            settings = SETTINGS.format(protocol=protocol, url=url)
            found[protocol] = Night(Lab(tmp_path_factory.mktemp(protocol) / "toy", settings=settings), api)
        for night in found.values():
            night.end()
        yield found


@pytest.fixture(params=PROTOCOLS)
def night(request: pytest.FixtureRequest, nights: dict[str, Night]) -> Night:
    return nights[request.param]


def test_ten_experiments_are_made_and_kept_whatever_happens_on_the_way(night: Night) -> None:
    results = night.state().experiments[1:]
    assert [e.status for e in results] == ["keep"] * 10, [(e.status, e.reason, e.attempts) for e in results]
    assert all(e.researcher == "llm" and e.asi["hypothesis"] for e in results)
    assert night.lab.git("show", "HEAD:train.py").count("ALPHA = 0.40 ") == 1
    assert len(night.api.requests) == sum(len(before) + 1 for before, _ in NIGHT)


def test_the_log_the_journal_and_the_screen_account_for_each_attempt(night: Night) -> None:
    failed = [event for event in events(night.lab) if isinstance(event, ev.AttemptFailed)]
    expected = [(run, kind) for run, (_, kind) in enumerate(NIGHT, 2) if kind]
    assert [(event.run, event.kind) for event in failed] == expected
    assert all(event.wait_s >= 1 for event in failed)
    assert next(event.wait_s for event in failed if event.kind == "rate_limit") >= 2
    for experiment, (_, kind) in zip(night.state().experiments[1:], NIGHT, strict=True):
        assert [attempt.split(": ")[:2] for attempt in experiment.attempts] == ([["llm", kind]] if kind else [])
        assert f"failed ({kind})" in heard(night, experiment.run) or not kind
    assert all(event.reason in night.told for event in failed)
    log = publiclog.read_log(night.lab.paths.public_log)
    assert [one.run for one in log.results] == list(range(1, 12)) and not log.problems


def test_a_bad_answer_goes_back_with_the_reason(night: Night) -> None:
    back = [json.dumps(request["messages"][1:], ensure_ascii=False) for request in night.api.requests]
    assert sum("does not occur in train.py" in text for text in back) == 1
    assert sum("no JSON object" in text for text in back) == 1
    assert sum("go below 0.85" in text for text in back) == 1, "what it looked up"
    assert "sent back" in heard(night, 3) and "sent back: edit 1" in heard(night, 4)


def test_usage_counts_every_answer_in_log_and_journal(night: Night) -> None:
    state = night.state()
    answers = [1, 3, 2, 1, 1, 1, 1, 1, 2]
    for experiment, count in zip(state.experiments[1:10], answers, strict=True):
        assert experiment.usage["input_tokens"] >= count * USAGE[0], experiment.run
        assert count * USAGE[1] <= experiment.usage["output_tokens"] < (count + 1) * USAGE[1], experiment.run
    logged = publiclog.read_log(night.lab.paths.public_log).results
    assert [one.usage for one in logged] == [e.usage for e in state.experiments]
    assert state.tokens == sum(sum(e.usage.values()) for e in state.experiments)


def test_each_prompt_carries_the_results_before_it_and_no_key_is_written_down(night: Night) -> None:
    last = (night.lab.paths.run(11) / "prompt.md").read_text()
    for experiment in night.state().experiments[1:10]:
        assert experiment.description in last and experiment.asi["hypothesis"] in last
        assert experiment.asi["next_action_hint"] in last and repr(experiment.metric) in last
    files = [path for path in night.lab.root.rglob("*") if path.is_file() and ".git" not in path.parts]
    assert not [path for path in files if KEY in path.read_text(errors="replace")]
    assert KEY not in night.told


def events(lab: Lab) -> list[ev.AnyEvent]:
    return journal.Follower(lab.paths.journal).poll()


def heard(night: Night, run: int) -> str:
    return (night.lab.paths.run(run) / "researcher.log").read_text()
