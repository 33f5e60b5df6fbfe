"""The researcher llm against servers on loopback that speak three protocols and misbehave by a script."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.researchers.base import Brief, Mend, Message, Proposal, ResearcherFailed
from engine.researchers.llm import Model
from engine.researchers.prompt.quoting import DATA
from engine.session.settings import Researcher
from tests.researchers.briefs import CODE, brief, result
from tests.researchers.fake_api import KEY, USAGE, FakeApi, Play, fake_api
from tests.researchers.test_prompt_results import many

pytest.importorskip("pydantic_ai", reason="the extra `llm` is not installed")

GOOD: dict[str, Any] = {
    "description": "LR 0.1→0.2",
    "asi": {"hypothesis": "too slow", "arch_change": "LR 0.1→0.2", "expected": "lower", "next_action_hint": "go on"},
    "edits": [{"file": "train.py", "search": "LR = 0.1 ", "replace": "LR = 0.2 "}],
    "answers": [{"id": "m-1", "text": "gladly"}],
}
OFF: dict[str, Any] = {**GOOD, "edits": [{"file": "train.py", "search": "LR = 0.12", "replace": "LR = 0.2"}]}
CHANGED = CODE.replace("0.1", "0.2")
LOOKS = 8
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOY_KEY", KEY)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a server on loopback is reached past any proxy


@pytest.fixture(params=["openai", "anthropic", "google"])
def protocol(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def settings(api: FakeApi, protocol: str, timeout_s: float = PATIENCE_S, key_env: str = "TOY_KEY") -> Researcher:
    url = api.url + ("/v1" if protocol == "openai" else "")
    return Researcher(kind="llm", model=f"{protocol}:toy", base_url=url, key_env=key_env, timeout_s=timeout_s)


def asked(root: Path, researcher: Researcher, **more: Any) -> Proposal:
    given: Brief = brief(root, *more.pop("results", ()), researcher=researcher, **more)
    return Model(root, given.settings).propose(given)


def failed(root: Path, researcher: Researcher) -> ResearcherFailed:
    with pytest.raises(ResearcherFailed) as caught:
        asked(root, researcher)
    assert KEY not in str(caught.value)
    return caught.value


def sent(request: dict[str, Any]) -> str:
    return json.dumps(request, ensure_ascii=False)


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_good_answer_is_a_proposal_with_usage(tmp_path: Path, protocol: str, pieces: int) -> None:
    with fake_api({"answer": GOOD, "pieces": pieces}) as api:
        made = asked(tmp_path, settings(api, protocol), messages=(Message("m-1", "be bold", "anna"),))
    assert made.files == {"train.py": CHANGED}
    assert made.description == "LR 0.1→0.2" and made.params == {"LR": ("0.1", "0.2")}
    assert made.asi == GOOD["asi"] and made.answers == {"m-1": "gladly"}
    assert (made.usage["input_tokens"], made.usage["output_tokens"]) == USAGE
    prompt = (tmp_path / "run/prompt.md").read_text()
    assert json.dumps(prompt.strip(), ensure_ascii=False)[1:-1] in sent(api.requests[0])
    log = (tmp_path / "run/researcher.log").read_text()
    assert "too slow" in log and "proposed: LR 0.1→0.2" in log and KEY not in log + prompt


def test_an_answer_in_plain_text_is_read_too(tmp_path: Path, protocol: str) -> None:
    with fake_api({"text": f"I would raise it.\n```json\n{json.dumps(GOOD)}\n```\n"}) as api:
        assert asked(tmp_path, settings(api, protocol)).files == {"train.py": CHANGED}


def test_an_edit_that_does_not_apply_goes_back_with_the_reason(tmp_path: Path, protocol: str) -> None:
    with fake_api({"answer": OFF}, {"answer": GOOD}) as api:
        made = asked(tmp_path, settings(api, protocol))
    assert made.files == {"train.py": CHANGED}
    assert "does not occur in train.py" in sent(api.requests[1]) and "LR = 0.1  # rate" in sent(api.requests[1])
    assert made.usage["input_tokens"] == 2 * USAGE[0]
    assert "sent back: edit 1" in (tmp_path / "run/researcher.log").read_text()


def test_a_model_looks_up_what_the_prompt_shortens_before_it_answers(tmp_path: Path, protocol: str) -> None:
    looks: list[Play] = [{"look": {"query": "idea 1234"}}, {"look": {"query": "run 77", "page": 1}, "pages": 3}]
    with fake_api(*looks, {"answer": OFF}, {"answer": GOOD}) as api:
        given = msgspec.structs.replace(settings(api, protocol), prompt_tokens=6000)
        made = asked(tmp_path, given, results=many(2000))
    assert made.files == {"train.py": CHANGED}
    assert "stands whole in what the tool `history` finds" in sent(api.requests[0])
    assert "because of reason 1234" in sent(api.requests[1]) and "because of reason 77" in sent(api.requests[2])
    assert "because of reason 1234" not in sent(api.requests[0]) and DATA in sent(api.requests[1])
    log = (tmp_path / "run/researcher.log").read_text()
    assert "looks up 'idea 1234', page 1" in log and log.count("the one before could not be used") == 1


def test_a_model_that_only_looks_things_up_is_told_to_answer_and_then_fails(tmp_path: Path, protocol: str) -> None:
    with fake_api({"look": {}}) as api:
        error = failed(tmp_path, settings(api, protocol))
    assert error.kind == "bad_answer" and "proposed nothing" in str(error)
    told = [sent(request).count("which is all that is allowed") for request in api.requests]
    assert told[LOOKS] == 0 and told[LOOKS + 1] == 1 and len(told) == 2 * LOOKS + 4


def test_malformed_answers_go_back_until_one_is_well_formed(tmp_path: Path, protocol: str) -> None:
    plays: list[Play] = [{"arguments": '{"description": 3'}, {"text": "Let me think."}, {"answer": {"edits": []}}]
    with fake_api(*plays, {"answer": GOOD}) as api:
        assert asked(tmp_path, settings(api, protocol)).files == {"train.py": CHANGED}
    assert len(api.requests) == 4


@pytest.mark.parametrize(
    ("play", "kind", "told"),
    [
        ({"answer": OFF}, "bad_answer", "does not occur in train.py"),
        ({"answer": {"description": "x"}}, "bad_answer", "asi: Field required"),
        ({"text": "I am only talking."}, "bad_answer", "no JSON object"),
        ({"answer": {**GOOD, "edits": []}}, "empty", "there are no edits"),
    ],
)
def test_an_answer_that_stays_unusable_fails_after_three_corrections(
    tmp_path: Path, protocol: str, play: Play, kind: str, told: str
) -> None:
    with fake_api(play) as api:
        error = failed(tmp_path, settings(api, protocol))
    assert (error.kind, len(api.requests)) == (kind, 4) and told in str(error)
    assert error.usage["output_tokens"] == 4 * USAGE[1]


@pytest.mark.parametrize(
    ("play", "kind", "wait"),
    [
        ({"status": 429, "headers": {"retry-after": "7"}}, "rate_limit", 7.0),
        ({"status": 500}, "server", 0.0),
        ({"status": 529, "headers": {"retry-after": "3"}}, "server", 3.0),
        ({"status": 404}, "missing", 0.0),
        ({"status": 400}, "failed", 0.0),
        ({"answer": GOOD, "key": "another key"}, "credentials", 0.0),
        ({"cut": GOOD}, "network", 0.0),
        ({"refusal": "That is against my rules."}, "refusal", 0.0),
        ({"endless": True}, "bad_answer", 0.0),
    ],
)
def test_each_way_to_fail_is_told_apart_and_asked_once(
    tmp_path: Path, protocol: str, play: Play, kind: str, wait: float
) -> None:
    with fake_api(play) as api:
        error = failed(tmp_path, settings(api, protocol))
    assert (error.kind, error.retry_after_s, len(api.requests)) == (kind, wait, 1)
    log = (tmp_path / "run/researcher.log").read_text()
    assert f"failed ({kind})" in log and KEY not in log


def test_a_stall_ends_at_the_time_limit(tmp_path: Path, protocol: str) -> None:
    with fake_api({"stall": True}) as api:
        error = failed(tmp_path, settings(api, protocol, timeout_s=1))
        assert not api.released.is_set()
    assert error.kind == "timeout" and "researcher.timeout_s" in str(error)


def test_no_server_is_a_failure_of_the_network(tmp_path: Path, protocol: str) -> None:
    with fake_api({"answer": GOOD}) as api:
        gone = settings(api, protocol)
    assert failed(tmp_path, gone).kind == "network"


def test_closing_ends_a_conversation_under_way(tmp_path: Path, protocol: str) -> None:
    errors: list[ResearcherFailed] = []
    with fake_api({"stall": True}) as api:
        given = brief(tmp_path, researcher=settings(api, protocol))
        model = Model(tmp_path, given.settings)

        def propose() -> None:
            try:
                model.propose(given)
            except ResearcherFailed as error:
                errors.append(error)

        thread = threading.Thread(target=propose)
        thread.start()
        assert api.asked.wait(PATIENCE_S)
        model.close()
        thread.join(PATIENCE_S)
        assert not thread.is_alive() and not api.released.is_set()
    assert "ended" in str(errors[0])
    with pytest.raises(ResearcherFailed, match="ended"):
        model.propose(given)


def test_a_server_of_ones_own_gets_no_key_that_is_not_meant_for_it(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "sk-of-the-provider-only")
    with fake_api({"answer": GOOD}) as api:
        asked(tmp_path, settings(api, protocol, key_env=""))
        asked(tmp_path, settings(api, protocol, key_env="TOY_KEY"))
    assert "sk-of-the-provider-only" not in json.dumps(api.headers)
    assert KEY not in json.dumps(api.headers[0]) and KEY in json.dumps(api.headers[1])


def test_a_redirect_takes_no_key_elsewhere(tmp_path: Path, protocol: str) -> None:
    with fake_api({"answer": GOOD}) as other, fake_api({"status": 307, "headers": {"Location": other.url}}) as api:
        failed(tmp_path, settings(api, protocol))
    assert len(api.requests) == 1 and not other.requests


def test_a_folder_that_cannot_be_written_is_a_failure_of_the_researcher(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    with fake_api({"answer": GOOD}) as api:
        error = failed(tmp_path, settings(api, "openai"))
    assert "cannot be written" in str(error) and not api.requests


def test_a_mend_is_made_to_the_change_that_crashed(tmp_path: Path, protocol: str) -> None:
    broken = CODE.replace("DEPTH = 4", "DEPTH = four")
    edits = [{"file": "train.py", "search": "DEPTH = four", "replace": "DEPTH = 5"}]
    with fake_api({"answer": {**GOOD, "edits": edits}}) as api:
        mend = Mend(1, {"train.py": broken}, "name", "NameError: name 'four' is not defined")
        made = asked(tmp_path, settings(api, protocol), mend=mend)
    assert made.files == {"train.py": CODE.replace("DEPTH = 4", "DEPTH = 5")}
    assert "NameError: name 'four'" in sent(api.requests[0])


def test_learning_asks_nobody(tmp_path: Path) -> None:
    given = brief(tmp_path, result(1, "the baseline", "keep", 1.0))
    learnt = Model(tmp_path, given.settings).learn(given, result(2, "an idea", "discard", 1.25))
    assert "0.250000 worse than run 1's" in learnt["result"]
