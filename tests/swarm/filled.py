"""A store with many results in it, written past the front door: what a swarm looks like after a long time."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import insert, text
from sqlalchemy.engine import Connection

from engine.swarm import schema
from engine.swarm.canonical import canonical, digest
from engine.swarm.records import Change, Insight, Klass, Record, Result
from engine.swarm.schema import metadata
from engine.swarm.store.database import transaction
from engine.swarm.store.store import Store
from engine.swarm.tiers import tier_of

GPUS = (("NVIDIA H100 80GB HBM3", 80.0), ("NVIDIA GeForce RTX 4090", 24.0), ("cpu", 0.0), ("NVIDIA L40S", 48.0))
CONTRACTS = tuple(digest(f"contract {number}") for number in range(5))
MEMBERS, BATCH = 100, 5000
BIG = Klass(contract=CONTRACTS[0], gpu=GPUS[0][0], vram_gb=GPUS[0][1])
"""The class that half of all results are of."""

Rows = dict[str, list[dict[str, Any]]]


def fill(store: Store, results: int) -> None:
    """Members, and so many results with their claims, one insight and one hypothesis for every ten."""
    swarm, chance = store.connect().swarm, random.Random(0)
    names = [digest(f"member {number}") for number in range(MEMBERS)]
    with transaction(store.engine, True) as connection:
        rows = [{"id": id, "name": f"m{number}", "key": id, "joined": 1.0, "seen": float(number)}
                for number, id in enumerate(names)]  # fmt: skip
        connection.execute(insert(schema.members), rows)
        known = [{"contract": contract, "metric": "val_bpb", "direction": "lower"} for contract in CONTRACTS]
        connection.execute(insert(schema.contracts), known)
    for first in range(0, results, BATCH):
        with transaction(store.engine, True) as connection:
            _write(connection, _batch(swarm, names, chance, range(first, min(first + BATCH, results))))
    with transaction(store.engine, True) as connection:
        _count(connection)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as raw:
        raw.execute(text("ANALYZE"))


def _batch(swarm: str, names: list[str], chance: random.Random, numbers: range) -> Rows:
    rows: Rows = {"records": [], "results": [], "claims": [], "ideas": []}
    for number in numbers:
        big = chance.random() < 0.5
        gpu, vram = GPUS[0] if big else chance.choice(GPUS)
        klass = Klass(contract=CONTRACTS[0] if big else chance.choice(CONTRACTS), gpu=gpu, vram_gb=vram)
        for seq, kind, body in _bodies(number, klass, 1.0 + chance.random() / 10):
            member, id = chance.choice(names), digest([number, kind])[:32]
            record = Record(id=id, swarm=swarm, member=member, at=1.0, kind=kind, body=msgspec.to_builtins(body))  # type: ignore[arg-type]
            signed = canonical(msgspec.structs.replace(record, signature="0" * 128)).decode()
            rows["records"].append({"seq": seq, "id": id, "kind": kind, "member": member, "stored": float(number),
                                    "record": signed})  # fmt: skip
            if isinstance(body, Result):
                rows["results"].append(_result(id, seq, member, body, chance))
                rows["claims"].append(_claim(id, member, body, number))
            else:
                rows["ideas"].append({"id": id, "seq": seq, "kind": kind, "contract": klass.contract, "gpu": gpu,
                                      "topic": "LR", "text": body.text, "state": "stored"})  # fmt: skip
    return rows


def _bodies(number: int, klass: Klass, metric: float) -> Iterator[tuple[int, str, Any]]:
    told = f"set the learning rate number {number}"
    change = Change(contract=klass.contract, fingerprint=digest(["code", number]), base=digest("base"),
                    params={"LR": ("0.01", str(number))}, description=told)  # fmt: skip
    yield number * 2 + 1, "result", Result(
        klass=klass, change=change, run=number + 1, status="keep" if number % 6 == 0 else "discard", metric=metric,
        code=digest("code"), seed=1, description=change.description, alone=True,
        asi={"learned": "the rate matters less than it seems " * 5}, settings={"budget": "300 s"},
    )  # fmt: skip
    if number % 10 == 0:
        yield number * 2 + 2, "insight", Insight(text=f"rates above {number} diverge", topic="LR", klass=klass)


def _result(id: str, seq: int, member: str, body: Result, chance: random.Random) -> dict[str, Any]:
    state = chance.choices(("reported", "verified", "failed", "quarantined", "repeat"), (80, 2, 12, 2, 4))[0]
    score = body.metric if state in ("reported", "verified") else None
    return {"id": id, "seq": seq, "contract": body.klass.contract, "gpu": body.klass.gpu, "member": member,
            "tier": tier_of(body.klass.vram_gb), "fingerprint": body.change.fingerprint, "code": body.code,
            "status": body.status, "metric": body.metric, "score": score, "state": state, "seed": 1,
            "verified": score if state == "verified" else None, "description": body.description,
            "stored": float(seq)}  # fmt: skip


def _claim(id: str, member: str, body: Result, number: int) -> dict[str, Any]:
    live, left = number % 1000 == 1, number % 500 == 2  # held now, and left behind
    return {"key": digest([body.change.contract, body.change.fingerprint]), "claim": id, "member": member,
            "contract": body.change.contract, "description": body.description, "token": 1,
            "until": 4e9 if live else 1.0, "result": "" if live or left else id}  # fmt: skip


def _write(connection: Connection, rows: Rows) -> None:
    for name, found in rows.items():
        if found:
            connection.execute(insert(metadata.tables[name]), found)


def _count(connection: Connection) -> None:
    connection.execute(text(
        "INSERT INTO standings (contract, gpu, member, tier, direction, results, keeps, last) SELECT contract, gpu,"
        " member, min(tier), 'lower', count(*), sum(CASE WHEN status = 'keep' THEN 1 ELSE 0 END), max(stored)"
        " FROM results GROUP BY contract, gpu, member"
    ))  # fmt: skip
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval('records_seq_seq', (SELECT max(seq) FROM records))"))
