"""Every preset's record can be used, and what the known programs print is read as what it means."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.researchers.agent import credentials
from engine.researchers.agent.failure import failure, told_kind, wait_of
from engine.researchers.agent.listening import Listener
from engine.researchers.agent.preset import Preset, presets
from engine.session.settings import Researcher
from engine.work.leash import Ending

STREAMS = {
    "claude": [
        {"type": "system", "subtype": "init", "session_id": "s1"},
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "Let me see."}]}},
        {
            "type": "assistant",
            "message": {"content": [{"type": "tool_use", "name": "Edit", "input": {"file_path": "train.py"}}]},
        },
        {"type": "assistant", "message": {"content": [{"type": "text", "text": "I changed ALPHA."}]}},
        {
            "type": "result",
            "is_error": False,
            "result": "I changed ALPHA.",
            "total_cost_usd": 0.25,
            "usage": {"input_tokens": 100, "cache_read_input_tokens": 300, "output_tokens": 80},
        },
    ],
    "codex": [
        {"type": "thread.started", "thread_id": "s1"},
        {"type": "item.started", "item": {"type": "command_execution", "command": "sed -i train.py"}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "I changed ALPHA."}},
        {"type": "turn.completed", "usage": {"input_tokens": 400, "cached_input_tokens": 40, "output_tokens": 80}},
    ],
    "gemini": [
        {"type": "init", "session_id": "s1"},
        {"type": "message", "role": "user", "content": "the prompt"},
        {"type": "tool_use", "tool_name": "replace", "parameters": {"file_path": "train.py"}},
        {"type": "message", "role": "assistant", "content": "I changed", "delta": True},
        {"type": "message", "role": "assistant", "content": " ALPHA.", "delta": True},
        {"type": "result", "status": "success", "stats": {"input_tokens": 400, "output_tokens": 80}},
    ],
    "opencode": [
        {"type": "step_start", "sessionID": "s1", "part": {}},
        {"type": "tool_use", "part": {"tool": "edit", "state": {"input": {"filePath": "train.py"}}}},
        {"type": "step_finish", "part": {"cost": 0.2, "tokens": {"input": 200, "output": 40, "cache": {"read": 100}}}},
        {"type": "text", "part": {"text": "I changed ALPHA."}},
        {"type": "step_finish", "part": {"cost": 0.05, "tokens": {"input": 100, "output": 40}}},
    ],
    "pi": [
        {"type": "session", "id": "s1"},
        {"type": "tool_execution_start", "toolName": "edit", "args": {"path": "train.py"}},
        {
            "type": "message_end",
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "I changed ALPHA."}],
                "usage": {"input": 400, "output": 80, "cost": {"total": 0.25}},
            },
        },
    ],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_words_tools_tokens_and_session(name: str) -> None:
    heard, shown = Listener(presets()[name]), []
    for event in STREAMS[name]:
        shown += heard.hear(json.dumps(event))
    shown += heard.rest()
    assert heard.words == "I changed ALPHA." and heard.session == "s1" and not heard.failures
    assert heard.usage["input_tokens"] == 400 and heard.usage["output_tokens"] == 80
    assert heard.usage.get("cost_usd", 0.25) == 0.25
    assert any(line.startswith("→ ") and "train.py" in line for line in shown)
    assert shown[-1] == "I changed ALPHA."


def test_aiders_plain_text_tells_tokens_and_cost() -> None:
    heard = Listener(presets()["aider"])
    heard.hear("Tokens: 2.4k sent, 1,150 received. Cost: $0.01 message, $0.02 session.")
    heard.hear("Applied edit to train.py")
    assert heard.usage == {"input_tokens": 2400, "output_tokens": 1150, "cost_usd": 0.01}
    assert heard.words.endswith("Applied edit to train.py")


@pytest.mark.parametrize(
    ("name", "event", "kind"),
    [
        (
            "claude",
            {
                "type": "result",
                "is_error": True,
                "api_error_status": 429,
                "result": "API Error: Request rejected (429)",
            },
            "rate_limit",
        ),
        (
            "claude",
            {"type": "result", "is_error": True, "result": "Failed to authenticate. API Error: 401"},
            "credentials",
        ),
        ("claude", {"type": "result", "is_error": False, "stop_reason": "refusal", "result": ""}, "refusal"),
        ("claude", {"type": "result", "is_error": True, "subtype": "error_max_turns"}, "exit"),
        ("codex", {"type": "turn.failed", "error": {"message": "last status: 429 Too Many Requests"}}, "rate_limit"),
        ("codex", {"type": "turn.failed", "error": {"message": "unexpected status 401 Unauthorized"}}, "credentials"),
        ("codex", {"type": "turn.failed", "error": {"message": "error sending request for url"}}, "network"),
        ("gemini", {"type": "result", "status": "error", "error": {"message": "RESOURCE_EXHAUSTED"}}, "rate_limit"),
        ("opencode", {"type": "error", "error": {"name": "APIError", "data": {"statusCode": 503}}}, "server"),
        ("pi", {"type": "message_end", "message": {"stopReason": "error", "errorMessage": "fetch failed"}}, "network"),
    ],
)
def test_each_programs_own_failures_are_sorted(name: str, event: dict[str, object], kind: str) -> None:
    heard = Listener(presets()[name])
    heard.hear(json.dumps(event))
    for code in (0, 1):  # some end with 0 all the same
        error = failure(name, Ending(cause="exited", exit_code=code), heard, [], 60)
        assert error is not None and error.kind == kind


def test_passing_trouble_that_ended_well_is_no_failure() -> None:
    heard = Listener(presets()["codex"])
    shown = heard.hear('{"type":"error","message":"Reconnecting... 1/5 (last status: 429)"}')
    assert shown == ["! Reconnecting... 1/5 (last status: 429)"]
    assert failure("codex", Ending(cause="exited", exit_code=0), heard, ["WARNING: 429"], 60) is None


def test_an_agent_that_retried_until_its_limit_failed_for_what_it_retried() -> None:
    heard = Listener(presets()["gemini"])
    ending = Ending(cause="timeout", signal=15)
    error = failure("gemini", ending, heard, ["Attempt 6 failed with status 429. Retrying with backoff..."], 60)
    assert error is not None and error.kind == "rate_limit" and "researcher.timeout_s" in str(error)
    quiet = failure("gemini", ending, heard, [], 60)
    assert quiet is not None and quiet.kind == "timeout"


def test_a_failure_that_it_got_over_is_none() -> None:
    heard = Listener(presets()["pi"])
    heard.hear('{"type":"message_end","message":{"role":"assistant","stopReason":"error","errorMessage":"429"}}')
    stuck = failure("pi", Ending(cause="timeout", signal=15), heard, [], 60)
    assert stuck is not None and stuck.kind == "rate_limit"
    heard.hear('{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"Done."}]}}')
    assert failure("pi", Ending(cause="exited", exit_code=0), heard, [], 60) is None


def test_claudes_retry_tells_how_long_to_wait() -> None:
    heard = Listener(presets()["claude"])
    heard.hear('{"type":"system","subtype":"api_retry","retry_delay_ms":8165,"error_status":429,"error":"rate_limit"}')
    heard.hear('{"type":"result","is_error":true,"result":"Request rejected (429)"}')
    error = failure("claude", Ending(cause="exited", exit_code=1), heard, [], 60)
    assert error is not None and error.retry_after_s == 8.165


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("retry-after: 30", 30),
        ("Please try again in 1.5h", 5400),
        ("retry in 250ms", 0.25),
        ("usage limit|1700000100", 100),
    ],
)
def test_the_asked_wait_is_read(text: str, seconds: float) -> None:
    assert wait_of(text, 1700000000) == seconds


@given(st.text(max_size=200))
def test_any_text_has_a_kind_and_a_wait(text: str) -> None:
    assert told_kind(text) in ("rate_limit", "credentials", "network", "server", "refusal", "exit")
    assert wait_of(text, 0.0) >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "content", "usage", "part", "item", "type", "text"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(presets())),
    st.sampled_from(["assistant", "result", "error", "text", "item.completed"]),
    JSON,
)
def test_no_line_of_a_stream_can_break_the_reading(name: str, kind: str, value: object) -> None:
    heard = Listener(presets()[name])
    event = {"type": kind, "message": value, "part": value, "item": value, "usage": value}
    for line in (json.dumps(event), json.dumps(value), "{" + json.dumps(value)):
        assert all(isinstance(shown, str) for shown in heard.hear(line))
    assert all(isinstance(amount, float) and amount >= 0 for amount in heard.usage.values())


@pytest.mark.parametrize("name", presets())
def test_every_record_makes_a_command(name: str) -> None:
    preset = presets()[name]
    given = Researcher(agent=name, model="a-model", base_url="http://127.0.0.1:1", key_env="MY_KEY")
    argv = preset.command(given, "/x/prompt.md", ["train.py"])
    joined = " ".join(argv)
    assert argv[0] == preset.program and "a-model" in argv
    assert not any(mark in joined for mark in ("{prompt}", "{files}", "{server}", "{model}", "{base_url}", "{key_env}"))
    assert preset.title and preset.install and preset.login and preset.credentials


def test_the_model_stands_before_what_must_come_last() -> None:
    argv = presets()["codex"].command(Researcher(model="m"), "", [])
    assert argv[:4] == ["codex", "exec", "--model", "m"] and argv[-1] == "-"


@pytest.mark.parametrize("name", presets())
def test_an_agent_gets_its_own_keys_only(name: str) -> None:
    everything = {key: f"value-of-{key}" for preset in presets().values() for key in preset.credentials}
    base = {**everything, "HF_TOKEN": "x", "HOME": "/h", "PATH": "/bin", "OVERNIGHT_SEED": "1", "PYTHONPATH": "/p"}
    made = credentials.environment(base, presets()[name], Researcher(agent=name))
    assert {key for key in made if key in everything} == set(presets()[name].credentials)
    assert {"HF_TOKEN", "OVERNIGHT_SEED", "PYTHONPATH"}.isdisjoint(made) and made["HOME"] == "/h"
    only = credentials.environment(base, presets()[name], Researcher(agent=name, key_env="OPENAI_API_KEY"))
    assert {key for key in only if key in everything} == {"OPENAI_API_KEY"}


def test_secrets_in_a_logins_file_are_known(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".codex").mkdir()
    (home / ".codex/auth.json").write_text('{"tokens": {"access": "eyJ-very-long-token"}, "mode": "chatgpt"}')
    assert credentials.stored(presets()["codex"], home) == ["eyJ-very-long-token"]
    (home / ".codex/auth.json").write_text("{")
    assert credentials.stored(presets()["codex"], home) == []


def test_a_preset_without_readings_takes_plain_lines() -> None:
    heard = Listener(Preset(title="own", argv=["own"]))
    for number in range(100):
        heard.hear(f"line {number}")
    assert heard.words.splitlines() == [f"line {number}" for number in range(80, 100)]
