"""What the swarm knows, as a part of the prompt: other people's words, one line each, to be read as data."""

from engine.researchers.base import Brief
from engine.researchers.prompt.quoting import one_line


def collective(brief: Brief) -> str:
    """The sections, each under its title; "" without a swarm, or where it has nothing to say yet."""
    parts = []
    for title, lines in brief.collective:
        parts.append("\n".join([f"{one_line(title)}:", *(f"- {one_line(line)}" for line in lines)]))
    return "\n".join(parts)
