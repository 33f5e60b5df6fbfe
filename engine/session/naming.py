"""What a session may be called: its name is a folder's, a part of a branch's, and an argument on a command line."""

import re

NAME_HINT = "letters, digits, dash, underscore and dot, with neither a dash nor a dot at the start"
"""The rule in few words, for forms and refusals."""

_MOST = 100  # characters
_NOT_IN_A_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\]\\/]|\.\.|@\{")  # see git-check-ref-format


def can_be_a_name(name: str) -> bool:
    """Whether a session can be called `name`."""
    return (
        0 < len(name) <= _MOST
        and name[0] not in "-."
        and not name.endswith((".", ".lock"))
        and not _NOT_IN_A_BRANCH.search(name)
        and name.isprintable()
    )
