"""The researcher `llm`: a language model by API, asked for edits in a structured answer."""

from engine.researchers.llm.model import Model

__all__ = ["Model"]
