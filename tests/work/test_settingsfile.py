"""The settings that a new session gets are all there, explained, and read back as what they are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.settings import Gate, Metric, Researcher, Run, Scope, Settings, parse
from engine.work.settingsfile import ABOUT, render

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(words, st.lists(words, max_size=3), st.floats(0.001, 1e9), st.floats(0, 1))
@settings(max_examples=40)
def test_what_is_written_reads_back(word: str, list_of_words: list[str], seconds: float, jump: float) -> None:
    given_settings = Settings(
        metric=Metric(unit=word),
        run=Run(timeout_s=seconds),
        researcher=Researcher(agent=word, command=list_of_words),
        gate=Gate(jump=jump),
        scope=Scope(pinned=[]),
    )
    assert parse(render(given_settings), "overnight.toml") == given_settings


def test_every_explanation_belongs_to_a_setting_and_appears() -> None:
    text = render(Settings())
    for key, about in ABOUT.items():
        section, _, name = key.partition(".")
        assert hasattr(getattr(Settings(), section), name) if name else hasattr(Settings(), section)
        assert about in text
