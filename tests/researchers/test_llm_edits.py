"""The parts of the researcher llm that need no server: edits, answers, keys, the transcript."""

import json
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.researchers.base import ResearcherFailed
from engine.researchers.credentials import is_credential, redacted
from engine.researchers.llm.edits import EditRefused, applied
from engine.researchers.llm.provider import NO_KEY, choose, local
from engine.researchers.llm.transcript import Transcript, Unescaped
from engine.session.settings import Researcher

FILES = {"train.py": "a = 1\nb = 2\nb2 = 2\n"}


class E(NamedTuple):
    search: str
    replace: str
    file: str = "train.py"


def refused(*edits: E) -> str:
    with pytest.raises(EditRefused) as caught:
        applied(FILES, edits, ["train.py"])
    return str(caught.value)


def test_edits_are_made_in_order_each_to_what_the_ones_before_left() -> None:
    made = applied(FILES, [E("a = 1", "a = 3"), E("a = 3\nb ", "a = 4\nc "), E("b2", "d", "./train.py")], ["train.py"])
    assert made == {"train.py": "a = 4\nc = 2\nd = 2\n"}


def test_an_edit_that_does_not_apply_says_why_and_all_are_told_of() -> None:
    told = refused(E("a = 11", "x"), E(" = 2", "x"), E("", "x"), E("x", "y", "prepare.py"), E("b2", "c"))
    assert "edit 1: its search text does not occur in train.py" in told and "nearest is line 1: 'a = 1'" in told
    assert "edit 2: its search text occurs 2 times in train.py (from lines 2, 3 on)" in told
    assert "edit 3: its search text is empty" in told
    assert "edit 4: 'prepare.py' may not be changed; only train.py" in told
    assert "edit 5" not in told and "None of the edits was made" in told


def test_edits_that_change_nothing_are_refused_as_empty() -> None:
    for edits in ([], [E("a = 1", "a = 1")]):
        with pytest.raises(EditRefused) as caught:
            applied(FILES, edits, ["train.py"])
        assert caught.value.empty


def test_an_empty_search_gives_a_new_file_its_text() -> None:
    assert applied(FILES, [E("", "x = 1\n", "extra.py")], ["train.py", "extra.py"]) == {"extra.py": "x = 1\n"}


@given(st.text(max_size=60), st.text(min_size=1, max_size=4), st.text(max_size=4))
def test_an_edit_is_made_only_where_there_is_one_place(text: str, search: str, replace: str) -> None:
    try:
        made = applied({"f": text}, [E(search, replace, "f")], ["f"])
    except EditRefused:
        assert text.count(search) != 1 or search == replace
    else:
        before, _, after = text.partition(search)
        assert made == {"f": before + replace + after} and text.count(search) == 1


def test_a_key_is_looked_for_where_it_belongs() -> None:
    keys = {"OPENAI_API_KEY": "o", "MINE": "m"}
    assert choose(Researcher(model="openai:gpt-5"), keys).key == "o"
    assert choose(Researcher(model="openai:gpt-5", key_env="MINE"), keys).key == "m"
    assert choose(Researcher(model="openai:q", base_url="http://127.0.0.1:1/v1"), keys).key == NO_KEY
    assert choose(Researcher(model="openai:q", base_url="http://10.0.0.7:1/v1"), keys).key == NO_KEY
    assert choose(Researcher(model="google:g"), {"GEMINI_API_KEY": "g"}).key == "g"
    for settings in (Researcher(model="anthropic:c"), Researcher(model="openai:g", key_env="OTHER")):
        with pytest.raises(ResearcherFailed, match="no key for") as caught:
            choose(settings, keys)
        assert caught.value.kind == "credentials"


@pytest.mark.parametrize("model", ["", "gpt-5", "nobody:gpt-5", "openai:"])
def test_a_model_that_cannot_be_asked_is_refused_with_what_is_allowed(model: str) -> None:
    with pytest.raises(ResearcherFailed, match=r"researcher.model is .*allowed is PROTOCOL:MODEL"):
        choose(Researcher(model=model), {})


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ResearcherFailed, match=r"researcher.base_url is 'localhost:8000'"):
        choose(Researcher(model="openai:q", base_url="localhost:8000"), {})
    assert local("http://localhost:1") and local("http://[::1]:1/v1") and not local("https://example.org")


def test_credentials_are_known_by_their_names_and_hidden_by_their_values() -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "GITHUB_PAT", "my_apikey"):
        assert is_credential(name)
    for name in ("TOKENIZERS_PARALLELISM", "PATH", "KEYBOARD", "OVERNIGHT_COOKIE"):
        assert not is_credential(name)
    text = "Bearer sk-abcdefgh and sk-abcdefgh-longer, but not short or plain-value"
    environment = {"A_KEY": "sk-abcdefgh", "B_TOKEN": "sk-abcdefgh-longer", "C_KEY": "short", "NAME": "plain-value"}
    assert redacted(text, environment) == "Bearer [hidden] and [hidden], but not short or plain-value"


@given(st.text(), st.lists(st.integers(0, 200), max_size=6))
def test_a_tools_arguments_stream_in_readable_wherever_they_are_cut(text: str, cuts: list[int]) -> None:
    coded = json.dumps(text)
    whole = Unescaped().piece(coded)
    places = sorted({min(cut, len(coded)) for cut in cuts} | {0, len(coded)})
    pieces = Unescaped()
    assert "".join(pieces.piece(coded[a:b]) for a, b in pairwise(places)) == whole
    if text.isprintable() and all(ord(character) < 0x10000 for character in text):
        assert whole == f'"{text}"'


def test_the_transcript_is_readable_at_once_harmless_and_without_credentials(tmp_path: Path) -> None:
    with Transcript(tmp_path, lambda text: text.replace("SECRET-VALUE", "[hidden]")) as log:
        log.note("asked\nsomebody")
        log.stream("one\ntwo \x1b[31mred")
        assert (tmp_path / "researcher.log").read_text() == "── asked somebody\none\n"
        log.stream("\n" + "x" * 790 + "SECRET-")
        log.stream("VALUE" + "z" * 900)
    text = (tmp_path / "researcher.log").read_text()
    assert "two red" in text and "\x1b" not in text and "SECRET" not in text and "[hidden]" in text
    assert text.count("z") == 900 and text.count("x") == 790
