"""What may reach a terminal from text of unknown origin."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.session.inert import inert

HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "\x1b[]();?0123456789mHJKlhP\\\x07\x9b\x9d\x9c\x90\r\n\t\0 aµé日\u202e\u2066\u200d\u0301\ufe0f\ud800"
        ),
        st.sampled_from("\u202e\u2066\u200d\u0301\ufe0f\ud800"),
        st.characters(),
    ),
    max_size=60,
)


def dangerous(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
@example("\x1b\x1b[m[31mred")
@example("\x1b]52;c;\x1b[m\x07")
def test_nothing_that_a_terminal_obeys_is_left_and_a_second_pass_changes_nothing(text: str) -> None:
    shown = inert(text)
    assert dangerous(shown) == []
    assert inert(shown) == shown
    shown.encode("utf-8")


@settings(max_examples=100, deadline=None)
@given(HOSTILE)
def test_newlines_are_kept_only_when_asked_for(text: str) -> None:
    shown = inert(text, newlines=True)
    assert set(dangerous(shown)) <= {"\n"}
    assert shown.count("\n") == text.count("\n")
    assert inert(shown, newlines=True) == shown


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_is_untouched(text: str) -> None:
    assert inert(text) == text


@settings(deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0x1F, exclude_characters="\t\x1b")))
def test_each_lone_control_character_keeps_its_one_column(text: str) -> None:
    assert len(inert(text)) == len(text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b2Jcleared", "cleared"),
        ("a\x1b]0;title\x07b", "a␛b"),
        ("a\x1b]52;c;AAAA\x1b\\b", "a␛b"),
        ("\x1b]52;c;never ended", "␛]52;c;never ended"),
        ("\x1b(B\x1b7x", "x"),
        ("nul\0", "nul␀"),
        ("back\x08", "back␈"),
        ("del\x7f", "del␡"),
        ("a\rb", "a␍b"),
        ("a\nb", "a␊b"),
        ("a\tb", "a       b"),
        ("12345678\tb", "12345678        b"),
        ("ab\u202ecd\u202c", "ab·cd·"),
        ("x\u200dy\u200b\ufeff", "x·y··"),
        ("half\ud800", "half�"),
        ("two\u2028lines", "two␤lines"),
        ("日本 µs é", "日本 µs é"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 4),
    ],
)
def test_each_kind_of_danger_has_its_sign(raw: str, shown: str) -> None:
    assert inert(raw) == shown
