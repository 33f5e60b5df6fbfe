"""The swarm's store: claims a second by 8 processes, and what readers ask of 200,000 results (with PostgreSQL's plans).

`python -m tests.bench.bench_swarm plans` prints every plan in full.
"""

import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from engine.swarm.store.database import connect
from engine.swarm.store.store import Limits, Store
from tests.swarm.actor import Actor
from tests.swarm.filled import BIG, fill
from tests.swarm.postgres import programs, server
from tests.swarm.racing import race

RESULTS, TIMES, MOST_MS = 200_000, 15, 50.0
PROCESSES, CHANGES = 8, 500
FREE = Limits(rate=1e6, burst=1e6)
DURABLE = "-c fsync=on"


def readers(store: Store, member: str) -> dict[str, Callable[[], object]]:
    """The calls that are timed."""
    return {
        "best of a class": lambda: store.best(BIG),
        "best of all classes": lambda: store.best(),
        "best of a tier": lambda: store.best(tier="<=24"),
        "best of a member": lambda: store.best(BIG, member=member),
        "claims held": lambda: store.claims(),
        "claims of a contract": lambda: store.claims(BIG.contract),
        "feed, newest": lambda: store.feed(),
        "feed, from there on": lambda: store.feed(after=100_000),
        "leaderboard of a class": lambda: store.leaderboard(BIG),
        "leaderboard of all": lambda: store.leaderboard(),
        "newest of a class": lambda: store.results(BIG),
        "queue of a class": lambda: store.queue(BIG),
        "insights of a topic": lambda: store.insights("LR", BIG),
        "hypotheses": lambda: store.hypotheses(BIG),
    }


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Median and worst milliseconds."""
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:]), max(took[1:])


def plans(store: Store, call: Callable[[], object]) -> list[tuple[str, float]]:
    """What PostgreSQL does for each statement of a call: plan, and its milliseconds."""
    said: list[tuple[str, Any]] = []

    def heard(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: Any) -> None:
        if statement.lstrip().startswith("SELECT") and "FROM" in statement:
            said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", heard)
    try:
        call()
    finally:
        event.remove(store.engine, "before_cursor_execute", heard)
    found = []
    with store.engine.connect() as connection:
        for statement, parameters in said:
            rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters).scalars()
            plan = "\n".join(rows)
            found.append((plan, float(plan.rsplit("Execution Time: ", 1)[1].split()[0])))
    return found


def nodes(plan: str) -> str:
    """A plan in one line: how its tables are read."""
    lines = (line.strip().removeprefix("->").strip().split("  (")[0] for line in plan.splitlines())
    return "; ".join(dict.fromkeys(line for line in lines if "Scan" in line))


def reading(store: Store, name: str, full: bool) -> bool:
    """Time all readers; whether each is quick enough."""
    print(f"{name}: {RESULTS:,} results; filling …", flush=True)
    fill(store, RESULTS)
    with store.engine.connect() as connection:
        member = str(connection.execute(text("SELECT min(member) FROM results")).scalar())
    quick = True
    for what, call in readers(store, member).items():
        median, worst = timed(call)
        quick = quick and median < MOST_MS
        print(f"  {what:<24} median {median:6.1f} ms, worst {worst:6.1f} ms{'' if median < MOST_MS else '  SLOW'}")
        if store.engine.dialect.name == "postgresql":
            for plan, ms in plans(store, call):
                print(plan if full else f"      {ms:6.2f} ms  {nodes(plan)[:200]}")
    ada = Actor(store, "ada")
    ada.join(store.invite())
    median, worst = timed(lambda: ada.tell(secrets.token_hex(8), 1.2))
    print(f"  {'publishing':<24} median {median:6.1f} ms, worst {worst:6.1f} ms")
    return quick


def racing(url: str, name: str) -> None:
    """Claims a second."""
    store = Store(connect(url), FREE)
    store.create("bench")
    found = race(url, store, PROCESSES, CHANGES)
    claims = found.granted + found.refused
    print(f"{name}: {PROCESSES} processes, {CHANGES} changes: {claims} claims and {found.granted} results in"
          f" {found.seconds:.1f} s: {claims / found.seconds:.0f} claims/s, each change granted"
          f" {found.granted / CHANGES:.3f} times", flush=True)  # fmt: skip
    store.engine.dispose()


def main() -> None:
    """Run all of it; exit status 1 where a query is slow."""
    full, quick = "plans" in sys.argv[1:], True
    with tempfile.TemporaryDirectory() as folder:
        racing(f"sqlite:///{Path(folder) / 'race.db'}", "SQLite")
        store = Store(connect(f"sqlite:///{Path(folder) / 'full.db'}"), FREE)
        store.create("bench")
        reading(store, "SQLite", full)
        store.engine.dispose()
    if programs() is None:
        print("PostgreSQL is not installed (Debian: apt-get install postgresql): left out")
        return
    with server(DURABLE) as cluster:
        racing(cluster.database("race"), "PostgreSQL")
        store = Store(connect(cluster.database("full")), FREE)
        store.create("bench")
        quick = reading(store, "PostgreSQL", full)
        store.engine.dispose()
    if not quick:
        sys.exit(f"a query took longer than {MOST_MS:g} ms")


if __name__ == "__main__":
    main()
