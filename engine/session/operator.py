"""Who is at the keyboard: the name that a command carries."""

import getpass
import os


def operator() -> str:
    """OVERNIGHT_OPERATOR, else the login name, else the user's number."""
    if name := os.environ.get("OVERNIGHT_OPERATOR", "").strip():
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
