"""What only a person can mend is told once: a loop in the foreground ends with it, one that stays pauses with it."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.loop.core import away_s
from engine.loop.failing import ENGINE, Failing
from engine.loop.main import LaunchRefused, run
from engine.researchers.base import ResearcherFailed
from engine.session import events as ev
from engine.session.settings import Limits, Researcher
from engine.session.state import State
from tests.loop.lab import ENV, Lab
from tests.researchers.fake_api import KEY, fake_api

ALONE = '[researcher]\nkind = "{kind}"\nmodel = "{model}"\nbase_url = "{url}"\nkey_env = "{key}"\nfallback = ""\n'


def settings(kind: str = "llm", model: str = "openai:toy", url: str = "", key: str = "TOY_KEY") -> str:
    return ALONE.format(kind=kind, model=model, url=url, key=key)


def ended(lab: Lab) -> str:
    """Why a run in the foreground ended; it must have ended as failed, told once and left in order."""
    with pytest.raises(LaunchRefused) as caught:
        run(lab.paths, limits=Limits(experiments=3))
    assert caught.value.code == 1
    state = lab.state()
    assert state.engine is not None and len(state.experiments) == 2 and not lab.git("status", "--porcelain", "-uno")
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "key", "told"),
    [
        (settings(model="nosuch:toy"), KEY, "researcher.model is 'nosuch:toy'"),
        (settings(url="no url"), KEY, "researcher.base_url is 'no url'"),
        (settings(), "", "has no TOY_KEY"),
        ('[researcher]\nkind = "agent"\nagent = "nobody"\nfallback = ""\n', KEY, "nobody"),
        ('[researcher]\nkind = "agent"\ncommand = ["no-such-program"]\nfallback = ""\n', KEY, "no-such-program"),
    ],
    ids=["provider", "url", "key", "preset", "program"],
)
def test_a_setting_that_cannot_work_ends_the_foreground_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, key: str, told: str
) -> None:
    monkeypatch.setenv("TOY_KEY", key)
    lab = Lab(tmp_path / "toy", settings=given)
    assert told in ended(lab)
    assert len(lab.state().experiments[1].attempts) == 1


@pytest.mark.parametrize(("status", "told"), [(404, "no such model"), (401, "does not accept the key")])
def test_a_server_that_goes_on_saying_no_ends_the_foreground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, told: str
) -> None:
    pytest.importorskip("pydantic_ai", reason="the extra `llm` is not installed")
    monkeypatch.setenv("TOY_KEY", KEY)
    with fake_api({"status": status}) as api:
        lab = Lab(tmp_path / "toy", settings=settings(url=api.url + "/v1") + "give_up_after = 2\n")
        assert told in ended(lab)
        assert len(api.requests) == 2


def test_a_space_that_cannot_be_read_ends_the_command_with_its_line_and_an_exit_code(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", settings="")
    (lab.root / "search_space.toml").write_text('[ALPHA]\nkind = "float"\nlow = 1.0\nhigh = 0.0\n')
    lab.git("commit", "-qam", "session: a bad space")
    done = lab.overnight("start", str(lab.root), "--foreground", "--experiments", "2")
    assert done.returncode == 1
    assert "search_space.toml: [ALPHA] needs low < high" in done.stderr and "Traceback" not in done.stderr


def test_an_engine_that_stays_pauses_once_and_goes_on_when_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(ENV, "TOY_KEY", raising=False)
    lab = Lab(tmp_path / "toy", settings=settings() + "\n[limits]\nexperiments = 2\n")
    engine = lab.engine()
    try:
        state = lab.wait(lambda state: state.paused)
        assert state.pause_by == ENGINE and "has no TOY_KEY" in state.pause_reason
        assert len(state.experiments[1].attempts) == 1
        assert lab.overnight("edit", "researcher.kind", "search", str(lab.root)).returncode == 0
        assert lab.overnight("resume", str(lab.root)).returncode == 0
        state = lab.wait(lambda state: state.ended == 2)
        assert [e.researcher for e in state.experiments[1:]] == ["search", "search"]
    finally:
        engine.terminate()
        engine.wait(60)


HOPELESS = ResearcherFailed("no key", "credentials", lasting=True)
PASSING = ResearcherFailed("busy", "server")
TWO = Researcher(kind="llm", model="x:y", fallback="search")


def told(failing: Failing, state: State, fallback: bool, error: ResearcherFailed) -> tuple[ev.AttemptFailed, bool]:
    first, *more = failing.told(state, 2, TWO, fallback, error)
    assert isinstance(first, ev.AttemptFailed) and all(isinstance(event, ev.PauseSet) for event in more)
    return first, bool(more)


def test_while_one_of_the_two_may_yet_work_nothing_is_paused() -> None:
    failing, state = Failing(stay=False), State()
    assert not told(failing, state, False, HOPELESS)[1]
    assert not told(failing, state, True, PASSING)[1]
    assert told(failing, state, True, HOPELESS)[1]
    failing.forget()
    assert not told(failing, state, True, HOPELESS)[1], "the researcher itself has not failed since"
    assert not told(failing, state, False, PASSING)[1]


def test_a_failure_that_lasts_is_told_once_and_the_fallback_steps_in(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", settings=settings(model="nosuch:toy").replace('fallback = ""', 'fallback = "search"'))
    run(lab.paths, limits=Limits(experiments=3))
    results = lab.state().experiments[1:]
    assert [e.researcher for e in results] == ["search"] * 3
    assert [len(e.attempts) for e in results] == [1, 0, 0]


def test_a_fallback_that_cannot_work_is_not_asked_before_the_researcher_itself_is() -> None:
    state = State()
    state.failing, state.failed_at = 3, time.time()
    event, _ = told(Failing(stay=True), state, True, HOPELESS)
    assert away_s(3, TWO.give_up_after) - 30 < event.wait_s <= away_s(3, TWO.give_up_after)


def test_an_engine_that_stays_goes_on_asking_a_server_that_says_no() -> None:
    failing, state = Failing(stay=True), State()
    alone = Researcher(kind="llm", model="x:y", fallback="")
    for state.failing in range(20):
        (event,) = failing.told(state, 2, alone, False, ResearcherFailed("wrong key", "credentials"))
        assert isinstance(event, ev.AttemptFailed) and event.wait_s >= min(2.0**state.failing, 600)


@given(st.integers(0, 500), st.integers(1, 20))
def test_the_researcher_is_left_alone_for_longer_each_time_but_never_for_good(failing: int, after: int) -> None:
    assert (away_s(failing, after) > 0) == (failing >= after)
    assert away_s(failing, after) <= away_s(failing + 1, after) <= 3600
