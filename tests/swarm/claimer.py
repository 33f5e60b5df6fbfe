"""A member in a process of its own: tries every change of a list in an order of its own, or sleeps on a lease.

Run as: python -m tests.swarm.claimer URL NAME INVITATION race COUNT | hold TEXT
It says "ready", waits for a line on its standard input, and ends with what it counted.
"""

import random
import sys
import time

from engine.swarm.store.database import connect
from engine.swarm.store.store import Limits, Store
from tests.swarm.actor import Actor, change


def race(actor: Actor, count: int) -> str:
    """Claim all changes, publish what is granted: granted, refused and seconds."""
    order = list(range(count))
    random.Random(actor.name).shuffle(order)
    began, granted = time.perf_counter(), 0
    for number in order:
        answer = actor.claim(change(f"c{number}", LR=("0", str(number))))
        if answer.state == "granted":
            granted += 1
            wanted = change(f"c{number}", LR=("0", str(number)))
            stored = actor.tell(f"c{number}", 0.9 + number / 1e6, answer, change=wanted)
            assert stored.state == "reported", stored
        else:
            assert answer.state in ("taken", "done"), answer
    return f"{granted} {count - granted} {time.perf_counter() - began:.3f}"


def main() -> None:
    """See the module."""
    url, name, invitation, what, argument = sys.argv[1:6]
    actor = Actor(Store(connect(url), Limits(rate=1e6, burst=1e6)), name)
    actor.join(invitation)
    print("ready", flush=True)
    sys.stdin.readline()
    if what == "race":
        print(race(actor, int(argument)), flush=True)
        return
    held = actor.claim(change(argument))
    print(actor.key.sign({}), held.claim, held.token, flush=True)
    sys.stdin.readline()  # until it is killed


if __name__ == "__main__":
    main()
