"""The prompt: what a researcher that thinks is given, all of it in one text of bounded size."""

from engine.researchers.prompt.page import build
from engine.researchers.prompt.saved import save

__all__ = ["build", "save"]
