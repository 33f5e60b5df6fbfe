"""A toy session made by hand: real git, real processes, a benchmark in bash that takes milliseconds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from engine.session import journal
from engine.session.paths import SessionPaths
from engine.session.state import State

ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "OVERNIGHT_"))},
    "GIT_AUTHOR_NAME": "tester",
    "GIT_AUTHOR_EMAIL": "tester@localhost",
    "GIT_COMMITTER_NAME": "tester",
    "GIT_COMMITTER_EMAIL": "tester@localhost",
}

TRAIN = '''"""A toy: val_bpb is smallest at ALPHA = 0.3, BETA = 0.6."""

ALPHA = 0.9  # first
BETA = 0.1  # second

if __name__ == "__main__":
    print(f"val_bpb: {1 + (ALPHA - 0.3) ** 2 + (BETA - 0.6) ** 2:.6f}")
'''

BENCHMARK = """alpha=$(sed -n 's/^ALPHA = \\([0-9.e-]*\\).*/\\1/p' train.py)
beta=$(sed -n 's/^BETA = \\([0-9.e-]*\\).*/\\1/p' train.py)
awk -v a="$alpha" -v b="$beta" 'BEGIN { printf "METRIC val_bpb=%.6f\\n", 1 + (a - 0.3) ^ 2 + (b - 0.6) ^ 2 }'
"""

SPACE = """[ALPHA]
kind = "float"
low = 0.0
high = 1.0
family = "first"

[BETA]
kind = "float"
low = 0.0
high = 1.0
family = "second"
"""

SETTINGS = "[gate]\njump = 0\n"

OUTSIDE = '\n[guard]\nsandbox = "off"\n'
"""What a test's benchmark talks to lies beside its session, in a folder that a sandbox hides."""


class Lab:
    """A session in `root` whose benchmark is `benchmark`."""

    def __init__(self, root: Path, benchmark: str = BENCHMARK, settings: str = SETTINGS) -> None:
        self.root, self.paths = root, SessionPaths(root)
        root.mkdir(parents=True)
        files = {
            "train.py": TRAIN,
            "prepare.py": "BUDGET = 1\n",
            "pyproject.toml": '[project]\nname = "toy"\nversion = "0"\ndependencies = []\n',
            "autoresearch.sh": benchmark,
            "search_space.toml": SPACE,
            "overnight.toml": settings if "[guard]" in settings else settings + OUTSIDE,
            "program.md": "Lower val_bpb.\n",
            ".gitignore": "autoresearch.jsonl\nrun.log\n.overnight/\n__pycache__/\n",
        }
        for name, text in files.items():
            (root / name).write_text(text)
        self.git("init", "-q", "-b", "autoresearch/toy")
        self.git("add", "-A")
        self.git("commit", "-qm", "session: toy")
        self.paths.private.mkdir(mode=0o700)
        self.paths.inbox.mkdir()

    def git(self, *arguments: str) -> str:
        """Run git in the session; its output."""
        done = subprocess.run(["git", *arguments], cwd=self.root, env=ENV, capture_output=True, text=True, check=True)
        return done.stdout

    def overnight(self, *arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a verb of the command line, as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "engine.cli.front", *arguments],
            env=ENV,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def engine(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start an engine process of the session, without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "engine.loop", str(self.root), *arguments],
            env=ENV,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def state(self) -> State:
        """What the journal says now."""
        return journal.read(self.paths.journal)

    def wait(self, true: Callable[[State], object], timeout: float = 60) -> State:
        """Wait until the journal's state is so. Errors: AssertionError with the last of the journal."""
        follower = journal.Follower(self.paths.journal)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            follower.poll()
            if true(follower.state):
                return follower.state
            time.sleep(0.02)
        last = self.paths.journal.read_text().splitlines()[-8:] if self.paths.journal.exists() else []
        raise AssertionError("never came true; the journal ends:\n" + "\n".join(last))

    def public(self) -> list[str]:
        """The public log's lines."""
        return self.paths.public_log.read_text().splitlines() if self.paths.public_log.exists() else []
