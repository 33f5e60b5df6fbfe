"""The prompts of a run, kept exactly as they were given: prompt.md is the last, prompt-1.md the first before it."""

from pathlib import Path

NAME = "prompt.md"


def save(folder: Path, text: str) -> Path:
    """Write `text` to prompt.md in the run's folder; what stands there moves to prompt-N.md. Errors: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    if path.exists():
        if path.read_bytes() == text.encode("utf-8", "replace"):
            return path
        number = 1
        while (older := folder / f"prompt-{number}.md").exists():
            number += 1
        path.rename(older)
    path.write_bytes(text.encode("utf-8", "replace"))
    return path
