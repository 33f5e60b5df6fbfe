"""Where the panes stand: nothing overlaps, nothing is off the screen, the pane in front is always there."""

from hypothesis import given
from hypothesis import strategies as st

from tui.actions import PANES
from tui.layouts import mode, places

panes = st.sampled_from(PANES)


def test_the_three_kinds_of_screen() -> None:
    assert mode(80, 20) == "one"
    assert mode(100, 36) == "two"
    assert mode(139, 36) == "two"
    assert mode(140, 36) == "all"
    assert set(places(200, 46, "experiments", "runlog")) == set(PANES)
    assert set(places(120, 36, "experiments", "diff")) == {"experiments", "notes", "diff"}
    assert set(places(80, 20, "gpu", "diff")) == {"gpu"}


def test_a_zoomed_pane_has_the_whole_body() -> None:
    assert places(200, 46, "diff", "runlog", zoomed=True) == {"diff": (0, 0, 200, 46)}


@given(
    width=st.integers(1, 400), height=st.integers(1, 200), beside=st.sampled_from(["runlog", "gpu", "diff", "chart"])
)
def test_panes_neither_overlap_nor_leave_the_body(width: int, height: int, beside: str) -> None:
    found = places(width, height, beside, beside)
    assert beside in found
    cells = 0
    rects = list(found.values())
    for rect in rects:
        assert rect.width > 0
        assert rect.height > 0
        assert rect.x + rect.width <= width
        assert rect.y + rect.height <= height
        cells += rect.width * rect.height
    for one in rects:
        for two in rects:
            if one is not two:
                beside_it = one.x + one.width <= two.x or two.x + two.width <= one.x
                below_it = one.y + one.height <= two.y or two.y + two.height <= one.y
                assert beside_it or below_it
    assert cells >= width * height - 2 * height
