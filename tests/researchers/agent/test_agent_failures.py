"""Each way in which an agent can fail is told apart, says what to do, and leaves nothing behind."""

import os
import threading
from pathlib import Path

import pytest

from engine.researchers.agent import Agent
from engine.researchers.agent.preset import presets
from engine.researchers.base import ResearcherFailed
from engine.session.cookie import session_id
from engine.session.settings import Researcher, Settings
from engine.work import sweep
from tests.researchers.agent.playing import Stage, without_keys

CHANGE = 'put("ALPHA = 0.9", "ALPHA = 0.8")\n'


def failed(stage: Stage) -> ResearcherFailed:
    """What propose raises."""
    with pytest.raises(ResearcherFailed) as caught:
        stage.agent.propose(stage.brief())
    assert stage.untouched()
    return caught.value


@pytest.mark.parametrize(
    ("script", "kind", "told"),
    [
        ('sys.exit("it broke")', "exit", "exit code 1"),
        ('sys.exit("it broke")', "exit", "it broke"),
        ('print("Error: 429 Too Many Requests, retry after 12 s"); sys.exit(1)', "rate_limit", "429"),
        ('sys.exit("Invalid API key · Please run /login")', "credentials", "Invalid API key"),
        ('sys.exit("unexpected status 401 Unauthorized")', "credentials", "401"),
        ('sys.exit("connect ECONNREFUSED 127.0.0.1:1")', "network", "ECONNREFUSED"),
        ('sys.exit("API Error: 500 Internal Server Error")', "server", "500"),
        ('print("I cannot help with that request.")', "refusal", "refused"),
        ('print("I found nothing worth trying.")', "empty", "nothing worth trying"),
        ('print("You have hit your usage limit|1700000000")', "rate_limit", "usage limit"),
        ("", "empty", "changed nothing"),
        (CHANGE + "os.kill(os.getpid(), 9)", "exit", "signal 9"),
        (CHANGE + "sys.exit(3)", "exit", "exit code 3"),
        ("\n" * 520 + 'open("/nowhere/at/all")', "exit", "No such file or directory: '/nowhere/at/all'"),
    ],
)
def test_failures_are_told_apart_by_what_is_said(tmp_path: Path, script: str, kind: str, told: str) -> None:
    error = failed(Stage(tmp_path, script))
    assert (error.kind, told in str(error)) == (kind, True), str(error)
    assert "\n" not in str(error)


def test_a_rate_limit_says_how_long_to_wait(tmp_path: Path) -> None:
    assert failed(Stage(tmp_path, 'sys.exit("rate limit: try again in 2m")')).retry_after_s == 120
    assert failed(Stage(tmp_path / "b", 'sys.exit("429 retry-after: 7")')).retry_after_s == 7
    assert failed(Stage(tmp_path / "c", 'sys.exit("429")')).retry_after_s == 0


def test_a_program_that_is_not_there_is_told_with_its_mend(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "", command=["no-such-agent-anywhere"])
    error = failed(stage)
    assert error.kind == "missing" and "no-such-agent-anywhere" in str(error) and "researcher.command" in str(error)


def test_a_preset_that_is_not_installed_names_its_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    agent = Agent(stage.lab.root, Settings(researcher=Researcher(kind="agent", agent="claude")))
    with pytest.raises(ResearcherFailed, match="npm install -g @anthropic-ai/claude-code") as caught:
        agent.propose(stage.brief())
    assert caught.value.kind == "missing"


def test_an_unknown_agent_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ResearcherFailed) as caught:
        Agent(tmp_path, Settings(researcher=Researcher(kind="agent", agent="clod")))
    assert caught.value.kind == "missing" and all(name in str(caught.value) for name in presets())


def test_the_time_limit_ends_it_and_all_that_it_started(tmp_path: Path) -> None:
    script = CHANGE + 'print("thinking", flush=True)\nos.system("setsid sleep 600 &")\ntime.sleep(600)'
    stage = Stage(tmp_path, script, timeout_s=3.0)
    error = failed(stage)
    assert error.kind == "timeout" and "researcher.timeout_s" in str(error) and "thinking" in str(error)
    assert not sweep.find(session_id(stage.lab.root))


def test_a_deaf_helper_of_an_agent_that_ended_well_is_ended_too(tmp_path: Path) -> None:
    stage = Stage(tmp_path, CHANGE + 'os.system("setsid sleep 600 &")')
    assert stage.agent.propose(stage.brief()).files
    assert not sweep.find(session_id(stage.lab.root))


def test_closing_it_from_another_thread_ends_it_soon(tmp_path: Path) -> None:
    began = tmp_path / "began"
    stage = Stage(tmp_path, f"pathlib.Path({str(began)!r}).touch()\ntime.sleep(600)")
    raised: list[ResearcherFailed] = []

    def work() -> None:
        try:
            stage.agent.propose(stage.brief())
        except ResearcherFailed as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    waiting = threading.Event()
    for _ in range(3000):
        if began.exists():
            break
        waiting.wait(0.02)
    stage.agent.close()
    thread.join(60)
    assert not thread.is_alive() and "not waited for" in str(raised[0])
    assert stage.untouched()


def test_a_closed_agent_starts_nothing_that_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "time.sleep(600)")
    stage.agent.close()
    assert "not waited for" in str(failed(stage))


def test_another_program_than_python_and_odd_output_do_no_harm(tmp_path: Path) -> None:
    script = (
        "sys.stdout.buffer.write(b'\\x1b]0;title\\x07\\xff\\xfe\\x00 odd\\r\\n' + b'x' * (9 << 20) + b'\\nafter')\n"
        + CHANGE
    )
    stage = Stage(tmp_path, script)
    assert stage.agent.propose(stage.brief()).files
    log = stage.log()
    assert "after" in log and "\x1b" not in log and "\x00" not in log
    assert len(log) < 100_000


def test_no_credential_appears_in_log_prompt_or_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)
    monkeypatch.setenv("MY_AGENT_KEY", "s3cret-value-of-mine")
    monkeypatch.setenv("OPENAI_API_KEY", "another-secret-0123")
    script = """
print("key", os.environ.get("MY_AGENT_KEY"), "other", os.environ.get("OPENAI_API_KEY"))
sys.exit("failed with " + os.environ["MY_AGENT_KEY"])
"""
    stage = Stage(tmp_path, script, key_env="MY_AGENT_KEY")
    (stage.lab.root / "autoresearch.ideas.md").write_text("use s3cret-value-of-mine\n")
    error = failed_with_ideas(stage)
    kept = stage.log() + stage.prompt() + str(error)
    assert "s3cret-value-of-mine" not in kept and "another-secret-0123" not in kept
    assert "other None" in stage.log()


def failed_with_ideas(stage: Stage) -> ResearcherFailed:
    """As `failed`, for a session that has a new file."""
    with pytest.raises(ResearcherFailed) as caught:
        stage.agent.propose(stage.brief())
    return caught.value


def test_a_credential_written_into_the_change_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_AGENT_KEY", "s3cret-value-of-mine")
    stage = Stage(tmp_path, 'put("# first", "# " + os.environ["MY_AGENT_KEY"])', key_env="MY_AGENT_KEY")
    error = failed(stage)
    assert error.kind == "bad_answer" and "credential" in str(error) and "s3cret" not in str(error)


def test_its_environment_holds_its_own_key_and_nothing_that_steers_git_or_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_keys(monkeypatch)
    for name in ("ANTHROPIC_API_KEY", "HF_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY", "OVERNIGHT_RUN", "GIT_DIR"):
        monkeypatch.setenv(name, "value-of-" + name)
    stage = Stage(tmp_path, CHANGE + f"open({str(tmp_path / 'env')!r}, 'w').write(json.dumps(dict(os.environ)))")
    brief = stage.brief
    monkeypatch.delenv("GIT_DIR")
    given = brief()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    stage.agent.propose(given)
    seen = (tmp_path / "env").read_text()
    assert "value-of-" not in seen and "GIT_DIR" not in seen and '"OVERNIGHT_COOKIE"' in seen
    assert f'"HOME": "{os.environ["HOME"]}"' in seen if "HOME" in os.environ else True
