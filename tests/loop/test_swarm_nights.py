"""Nights in a swarm, with real engines: shared, apart, with the swarm away, and with a member that cheats."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

from engine.session.state import State
from engine.swarm.api import Row
from engine.swarm.collective import ALONE, WHO
from engine.swarm.embedded import open as opened
from engine.work import sandbox
from tests.loop.lab import TRAIN, Lab

pytest.importorskip("sqlalchemy", reason="the extra `swarm` is not installed")
pytest.importorskip("optuna", reason="the extra `search` is not installed")

SMOOTH = """alpha=$(sed -n 's/^ALPHA = \\([0-9.e-]*\\).*/\\1/p' train.py)
beta=$(sed -n 's/^BETA = \\([0-9.e-]*\\).*/\\1/p' train.py)
awk -v a="$alpha" -v b="$beta" 'BEGIN { printf "METRIC val_bpb=%.6f\\n", 1 + ((a - 0.3) ^ 2 + (b - 0.6) ^ 2) / 9 }'
"""
"""No step gains so much that the swarm would set it aside."""
SETTINGS = '[gate]\njump = 0\n[guard]\nsandbox = "auto"\n[swarm]\nauto_adopt = "{adopt}"\nverify_share = {share}\n'
CAN_ADOPT = pytest.mark.skipif(sandbox.rung().name == "none", reason=f"no sandbox here: {sandbox.rung().why}")


def lab(root: Path, adopt: str = "off", share: float = 0.0, seed: int = 1337, benchmark: str = SMOOTH) -> Lab:
    text = SETTINGS.format(adopt=adopt, share=share) + f"[run]\nseed = {seed}\n"
    return Lab(root, benchmark, text)


def swarm(labs: list[Lab], file: Path) -> None:
    done = labs[0].overnight("swarm", "init", str(file))
    assert done.returncode == 0, done.stderr
    for one in labs:
        done = one.overnight("swarm", "join", str(file), "-s", str(one.root), "--name", one.root.name)
        assert done.returncode == 0, done.stderr


def night(labs: list[Lab], experiments: int) -> None:
    engines = [one.engine("--limits", json.dumps({"experiments": experiments})) for one in labs]
    for engine in engines:
        _, said = engine.communicate(timeout=180)
        assert engine.returncode == 0, said


def tries(state: State) -> list[str]:
    """Fingerprints of what was tried as research: neither the baseline, nor what was adopted knowingly."""
    return [e.fingerprint for e in state.experiments if e.fingerprint and e.researcher != WHO]


def rows(file: Path) -> list[Row]:
    return opened(file).results(limit=500)


def troubles(one: Lab) -> str:
    return "\n".join(text for _, text in one.state().troubles)


@CAN_ADOPT
def test_four_sessions_that_share_repeat_nothing_and_all_end_on_the_best(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    labs = [lab(tmp_path / name, "verified", 0.5) for name in ("amy", "bob", "cid", "dee")]
    swarm(labs, file)
    night(labs, 6)
    done = [print_ for one in labs for print_ in tries(one.state())]
    assert len(done) >= 12 and len(set(done)) == len(done)
    for one in labs:
        told = {row.record.body["run"] for row in rows(file) if row.name == one.root.name}
        assert told == {e.run for e in one.state().experiments}, "every experiment was told, kept or not"
    best = min(one.state().champion.metric or 9.0 for one in labs if (one.state().champion))  # type: ignore[union-attr]
    for one in labs:  # the morning: whoever is not on the best takes it over, and the own gate decides
        champion = one.state().champion
        assert champion is not None and champion.metric is not None
        if champion.metric > best:
            leader = next(row for row in rows(file) if row.record.body["metric"] == best and row.state != "repeat")
            asked = one.overnight("swarm", "adopt", leader.record.id[:10], "--yes", "-s", str(one.root))
            assert asked.returncode == 0 or "waits to be tried already" in asked.stderr
            assert "-ALPHA" in asked.stdout or "-BETA" in asked.stdout
            night([one], 1)
    assert {one.state().champion.metric for one in labs} == {best}  # type: ignore[union-attr]
    apart = [lab(tmp_path / f"apart-{number}") for number in range(2)]
    night(apart, 6)
    alone = [print_ for one in apart for print_ in tries(one.state())]
    assert len(set(alone)) < len(alone), "who does not talk repeats"


@CAN_ADOPT
def test_a_would_be_best_is_verified_by_another_and_then_adopted_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy, bob = lab(tmp_path / "amy"), lab(tmp_path / "bob", "verified", 1.0)
    swarm([amy, bob], file)
    night([amy], 4)
    engine = bob.engine("--limits", '{"experiments": 40}')
    state = bob.wait(lambda s: any(e.researcher == WHO and e.phase == "ended" for e in s.experiments), 120)
    jobs = [job for job in state.jobs if job.kind == "verify"]
    assert jobs and jobs[0].outcome == "ok" and len(jobs[0].metrics) == 3
    adopted = next(e for e in state.experiments if e.researcher == WHO)
    source = next(row for row in rows(file) if row.record.id == adopted.asi["adopted"])
    assert source.name == "amy" and source.state == "verified" and source.by == "bob"
    assert adopted.status == "keep" and "amy" in adopted.description
    queued = [c for c in state.commands.values() if c.kind in ("verify", "adopt")]
    assert {c.by for c in queued} == {WHO} and not [c for c in queued if c.status == "refused"]
    engine.terminate()
    engine.communicate(timeout=60)
    status = json.loads(bob.overnight("swarm", "status", "--json", "-s", str(bob.root)).stdout)
    assert status["adopted"][0]["result"] == source.record.id and status["verified"] and status["reachable"]


def test_verifying_never_takes_more_than_its_share_and_rests_with_a_paused_loop(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy, bob = lab(tmp_path / "amy"), lab(tmp_path / "bob", share=0.2)
    swarm([amy, bob], file)
    night([amy], 3)
    night([bob], 4)
    assert not bob.state().jobs, "four experiments are not five"


def test_a_swarm_that_is_away_for_a_while_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy, bob = lab(tmp_path / "amy"), lab(tmp_path / "bob", seed=7)
    swarm([amy, bob], file)
    night([amy], 2)
    away = file.rename(tmp_path / "away.db")
    for name in ("swarm.db-wal", "swarm.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    night([amy, bob], 3)
    state = bob.state()
    assert [e.claim for e in state.experiments if not e.is_baseline] == [ALONE] * 3
    assert "goes on alone" in troubles(bob) and list((bob.root / ".overnight/outbox").glob("*.json"))
    status = bob.overnight("swarm", "status", "-s", str(bob.root))
    assert status.returncode == 0 and "does not answer" in status.stdout and "alone since" in status.stdout
    away.rename(file)
    night([amy, bob], 1)
    for one in (amy, bob):
        told = [row.record.body["run"] for row in rows(file) if row.name == one.root.name]
        assert sorted(told) == [e.run for e in one.state().experiments]
        assert not list((one.root / ".overnight/outbox").glob("*.json"))
    marked = {row.record.body["run"] for row in rows(file) if row.name == "bob" and row.record.body["alone"]}
    assert {e.run for e in state.experiments} <= marked


def test_a_database_that_is_held_by_another_makes_no_claim_wait_long(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy = lab(tmp_path / "amy")
    swarm([amy], file)
    held = sqlite3.connect(file, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    night([amy], 3)
    held.execute("ROLLBACK")
    held.close()
    assert [e.claim for e in amy.state().experiments if not e.is_baseline] == [ALONE] * 3
    night([amy], 1)
    assert sorted(row.record.body["run"] for row in rows(file)) == [1, 2, 3, 4, 5]


def test_an_outbox_without_room_is_told_once_and_filled_from_the_journal_later(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy = lab(tmp_path / "amy")
    swarm([amy], file)
    outbox = amy.paths.outbox
    outbox.write_text("not a folder: nothing can be written here")
    night([amy], 3)
    assert len(re.findall(r"is to hear is written there from the journal", troubles(amy))) == 1
    assert not rows(file) and amy.state().ended == 3
    outbox.unlink()
    night([amy], 1)
    assert sorted(row.record.body["run"] for row in rows(file)) == [1, 2, 3, 4, 5]


@CAN_ADOPT
def test_a_train_py_that_cheats_is_not_adopted_and_neither_is_anything_without_a_sandbox(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy, bob = lab(tmp_path / "amy"), lab(tmp_path / "bob")
    swarm([amy, bob], file)
    cheating = '\nimport subprocess\nsubprocess.run(["sed", "-i", "s/1 +/0.6 +/", "autoresearch.sh"])\n'
    (amy.root / "train.py").write_text(TRAIN.replace("ALPHA = 0.9", "ALPHA = 0.3") + cheating)
    amy.git("commit", "-qam", "a cheat")
    night([amy, bob], 1)
    cheat = next(row for row in rows(file) if row.name == "amy")
    refused = bob.overnight("swarm", "adopt", cheat.record.id, "--yes", "-s", str(bob.root))
    assert refused.returncode == 4 and "not adopted" in refused.stderr and "train.py, line" in refused.stderr
    assert "+subprocess.run" in refused.stdout
    (bob.root / "overnight.toml").write_text((bob.root / "overnight.toml").read_text().replace('"auto"', '"off"'))
    honest = next(row for row in rows(file) if row.name == "amy" and row.record.body["run"] == 1)
    refused = bob.overnight("swarm", "adopt", honest.record.id, "--yes", "-s", str(bob.root))
    assert refused.returncode == 4 and "sandbox" in refused.stderr
    nobody = bob.overnight("swarm", "adopt", honest.record.id, "-s", str(bob.root))
    assert nobody.returncode == 4 and not [c for c in bob.state().commands.values() if c.kind == "adopt"]


def test_an_adoption_that_the_engine_cannot_carry_out_is_refused_and_the_researcher_goes_on(tmp_path: Path) -> None:
    from engine.loop.byhand import send
    from engine.session.inbox import request

    bob = lab(tmp_path / "bob")
    night([bob], 1)
    send(bob.paths, request("adopt", {"result": "0" * 32}, "amy"))
    night([bob], 1)
    command = next(iter(bob.state().commands.values()))
    assert command.status == "refused" and "in no swarm" in command.answer
    assert bob.state().ended == 2 and bob.state().experiments[-1].researcher == "search"


def test_who_leaves_says_nothing_more(tmp_path: Path) -> None:
    file = tmp_path / "swarm.db"
    amy = lab(tmp_path / "amy")
    swarm([amy], file)
    night([amy], 1)
    assert amy.overnight("swarm", "leave", "-s", str(amy.root)).returncode == 0
    night([amy], 1)
    assert len(rows(file)) == 2 and amy.state().experiments[-1].claim == ""
    gone = amy.overnight("swarm", "status", "-s", str(amy.root))
    assert gone.returncode == 4 and "in no swarm" in gone.stderr
