"""A member for tests: signs whatever it is told to, honest or not, and sends it to any `api.Swarm`."""

import hashlib
import secrets
import time
from typing import Any

import msgspec

from engine.session.fingerprint import fingerprint
from engine.swarm import calls
from engine.swarm.api import Claimed, Stored, Swarm
from engine.swarm.code import hash_of
from engine.swarm.keys import KeyPair
from engine.swarm.records import Change, Hypothesis, Insight, Klass, Record, Result, Verdict

CONTRACT = hashlib.sha256(b"the contract").hexdigest()
KLASS = Klass(contract=CONTRACT, gpu="NVIDIA H100 80GB HBM3", vram_gb=80.0)


def sha(text: str) -> str:
    """A sha256 for tests."""
    return hashlib.sha256(text.encode()).hexdigest()


def files(text: str) -> dict[str, str]:
    """The code of an experiment."""
    return {"train.py": f"CHANGE = {text!r}\n"}


def change(text: str, base: str = "base", **params: tuple[str, str]) -> Change:
    """A change that is known by `text`."""
    return Change(
        contract=CONTRACT, fingerprint=fingerprint(files(text)), base=sha(base), params=params, description=text
    )


class Actor:
    """One key, one name, one swarm."""

    def __init__(self, swarm: Swarm, name: str, key: KeyPair | None = None) -> None:
        self.swarm, self.name, self.key = swarm, name, key or KeyPair.make()
        self.id = swarm.connect().swarm

    def join(self, invitation: str, **more: str) -> Any:
        """Join under its name."""
        proof = self.key.sign(calls.joining(self.id, invitation, self.name, self.key.public))
        return self.swarm.join(invitation, self.name, self.key.public, proof, **more)

    def claim(self, wanted: Change, klass: Klass = KLASS, id: str = "") -> Claimed:
        """Claim a change."""
        id, at = id or secrets.token_hex(16), time.time()
        signature = self.key.sign(calls.claiming(self.id, self.key.member, id, at, wanted, klass))
        return self.swarm.claim(self.key.member, wanted, klass, signature, id, at)

    def renew(self, claim: str, token: int) -> float:
        """Extend a lease."""
        at = time.time()
        signature = self.key.sign(calls.holding("renew", self.id, self.key.member, claim, token, at))
        return self.swarm.renew(self.key.member, claim, token, signature, at)

    def release(self, claim: str, token: int) -> None:
        """Give a lease back."""
        at = time.time()
        signature = self.key.sign(calls.holding("release", self.id, self.key.member, claim, token, at))
        self.swarm.release(self.key.member, claim, token, signature, at)

    def record(self, body: Result | Hypothesis | Insight | Verdict | dict[str, Any], kind: str, id: str = "") -> Record:
        """A record of its own, signed."""
        plain = body if isinstance(body, dict) else msgspec.to_builtins(body)
        found = Record(id=id or secrets.token_hex(16), swarm=self.id, member=self.key.member, at=time.time(),
                       kind=kind, body=plain)  # type: ignore[arg-type]  # fmt: skip
        return self.key.signed(found)

    def result(self, text: str, metric: float | None, claimed: Claimed | None = None, **more: Any) -> Record:
        """The record of an experiment whose code is `files(text)`."""
        own = {
            "klass": KLASS,
            "change": change(text),
            "run": 1,
            "status": "crash" if metric is None else "keep",
            "metric": metric,
            "code": hash_of(files(text)),
            "seed": 1,
            "description": text,
            "claim": claimed.claim if claimed else "",
            "token": claimed.token if claimed else 0,
            "alone": claimed is None,
        }
        return self.record(Result(**{**own, **more}), "result")

    def tell(self, text: str, metric: float | None, claimed: Claimed | None = None, **more: Any) -> Stored:
        """Publish an experiment."""
        return self.swarm.publish(self.result(text, metric, claimed, **more), files(text))

    def say(self, text: str, **more: Any) -> Stored:
        """Publish an insight."""
        return self.swarm.publish(self.record(Insight(text=text, **more), "insight"))
