"""The reference of bench_console: the least Textual app that shows a header, some text and a footer."""

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Static


class MinimalApp(App[None]):
    """Three widgets."""

    def compose(self) -> ComposeResult:
        """Header, text, footer."""
        yield Header()
        yield Static("the newest change")
        yield Footer()


if __name__ == "__main__":
    MinimalApp().run()
