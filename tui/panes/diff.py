"""The selected run's change against the champion it was tried on, kept or not, or the change being tried now."""

from __future__ import annotations

from collections.abc import Iterator

from textual.widget import Widget

from tui.diffview import DiffView, counts
from tui.model import View
from tui.panes.pane import Pane

_KEPT = 200  # diffs remembered


class DiffPane(Pane):
    """Shows the diff of `view.selected`; what it does not have yet it asks the app for (`wanted`)."""

    ident = "diff"
    title = "diff"

    def __init__(self) -> None:
        super().__init__()
        self.view = DiffView(empty_text="", id="diff-view")
        self._known: dict[tuple[int, str], str] = {}
        self._failed: dict[tuple[int, str], str] = {}
        self._shown: tuple[int, str, str] | None = None

    def body(self) -> Iterator[Widget]:
        """The diff."""
        yield self.view

    @property
    def focus_target(self) -> Widget:
        """The diff."""
        return self.view

    @staticmethod
    def key(view: View) -> tuple[int, str] | None:
        """What a diff is known by: the run and its commit, or how far it has come without one."""
        experiment = view.selection
        return None if experiment is None else (experiment.run, experiment.commit or experiment.phase)

    def wanted(self, view: View) -> tuple[int, str] | None:
        """What has to be fetched for the selection; None where all is there."""
        key = self.key(view)
        return None if key is None or key in self._known or key in self._failed else key

    def arrived(self, key: tuple[int, str], diff: str, problem: str = "") -> None:
        """The app fetched a diff, or could not."""
        if problem:
            self._failed[key] = problem
            return
        while len(self._known) >= _KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[key] = diff

    def show(self, view: View) -> None:
        """Show the selection's diff as far as it is known."""
        key = self.key(view)
        if key is None:
            self._set((0, "", "none"), "", "no run is selected")
            return
        against = view.selection.champion if view.selection else None
        says = f"run {key[0]}" + (f" against {against}" if against is not None else "")
        if key in self._failed:
            self._set((*key, "failed"), "", f"no diff: {self._failed[key]}")
        elif key not in self._known:
            self._set((*key, "loading"), "", "reading …")
        else:
            added, removed = self._set(
                (*key, "known"), self._known[key], "no change: this run measured its champion's text"
            )
            says += f" · +{added} -{removed}"
        self.heading.say((says, ""))

    def _set(self, mark: tuple[int, str, str], diff: str, empty: str) -> tuple[int, int]:
        if mark != self._shown:
            self._shown = mark
            self.view.empty_text = empty
            self.view.show([])
            self.view.show_diff(diff)
        return counts(self.view.rows) if diff else (0, 0)

    def copied(self, view: View) -> str:
        """The diff, as a patch."""
        key = self.key(view)
        return self._known.get(key, "") if key is not None else ""

    def retry(self) -> None:
        """Ask again for what failed (the repository may be reachable now)."""
        self._failed.clear()


def text_of(document: dict[str, object]) -> str:
    """The diff in what `overnight show RUN --json` printed."""
    diff = document.get("diff")
    return diff if isinstance(diff, str) else ""
