"""Members of a small swarm in a file, and ended experiments for them to tell of."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.session.fingerprint import fingerprint
from engine.session.paths import SessionPaths
from engine.session.settings import Gate, Metric, Run
from engine.session.state import Experiment, Segment, Trial
from engine.swarm import calls, membership
from engine.swarm.collective import Account, Intent, Standing
from engine.swarm.member import Member
from engine.swarm.membership import Membership
from engine.swarm.records import Klass
from engine.swarm.store.database import connect
from engine.swarm.store.store import Store
from tests.swarm.actor import files

KLASS = Klass(contract="c" * 64, gpu="cpu")
SEGMENT = Segment(0, "toy", Metric(), Run(), ("train.py",), {}, "0" * 40, "", 0.0)


def until(true: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait until it is so. Errors: AssertionError."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def make(file: Path, lease_s: float = 900.0) -> Store:
    """A swarm in `file`."""
    store = Store(connect(f"sqlite:///{file}"))
    store.create("lab", lease_s)
    return store


def enlist(store: Store, file: Path, root: Path, name: str) -> tuple[SessionPaths, Membership]:
    """A session in `root` that has joined as `name`."""
    paths = SessionPaths(root)
    paths.private.mkdir(parents=True, exist_ok=True)
    key, path = membership.own_key(paths.private)
    invitation = store.invite()
    proof = key.sign(calls.joining(store.connect().swarm, invitation, name, key.public))
    store.join(invitation, name, key.public, proof)
    joined = membership.fresh(str(file), store.connect(), name, key, path, 0)
    membership.save(paths.private, joined)
    return paths, joined


def member(store: Store, file: Path, root: Path, name: str, every_s: float = 0.05) -> Member:
    """One at work."""
    paths, joined = enlist(store, file, root, name)
    return Member(paths, joined, every_s)


def print_of(text: str) -> str:
    """The fingerprint of an experiment's code."""
    return fingerprint(files(text))


def intent(run: int, what: str, base: str = "start", params: dict[str, tuple[str, str]] | None = None) -> Intent:
    """A change that is about to be tried."""
    return Intent(
        run=run, klass=KLASS, fingerprint=print_of(what), base=print_of(base), params=params or {}, description=what
    )


def account(
    run: int, what: str, metric: float | None = 1.0, claim: str = "", token: int = 0, asi: dict[str, str] | None = None
) -> Account:
    """An ended experiment."""
    experiment = Experiment(
        run, 0, 1, 10.0, Gate(), researcher="llm", phase="ended", commit="1" * 40, description=what,
        status="crash" if metric is None else "keep", metric=metric, ended_at=20.0, claim=claim, token=token,
        asi=asi or {}, trials=[Trial(1, "1" * 40, 1337, "candidate", "", 11.0, "ok", metric)],
    )  # fmt: skip
    return Account(
        experiment=experiment, segment=SEGMENT, klass=KLASS, files=files(what), fingerprint=print_of(what),
        base=print_of("start"),
    )  # fmt: skip


def standing(**changed: Any) -> Standing:
    """A session that neither adopts nor verifies, unless it is told to."""
    whole = {"klass": KLASS, "metric": 1.0, "margin": 0.0005, "tried": frozenset(), "adopted": frozenset()}
    return Standing(**{**whole, "rerun": frozenset(), "adopt": False, "verify": False, **changed})
