"""Growth rounds with a real engine, real git and real processes: told, chosen, resumed."""

import os
import signal
from pathlib import Path

import pytest

from engine.session import growing, growthread
from engine.session.state import State
from tests.loop.growinglab import check_log, lab


@pytest.mark.parametrize("cost", ["params", "vram", "iter"])
def test_the_log_says_what_the_runs_own_numbers_say_also_after_a_kill(tmp_path: Path, cost: str) -> None:
    # the second candidate's second seed waits for the kill
    wait = f'[ "$w$OVERNIGHT_SEED" = 4012 ] && [ ! -e "{tmp_path}/go" ] && sleep 600'
    made = lab(tmp_path / "toy", cost, wait=wait)

    def half_run(state: State) -> bool:
        current = state.current
        return current is not None and current.candidate == "WIDTH=40" and len(current.trials) == 2

    engine = made.engine()
    made.wait(half_run)
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    assert engine.stderr is not None
    engine.stderr.close()
    (tmp_path / "go").touch()
    done = made.overnight("start", "--foreground", str(made.root))
    assert done.returncode == 0, done.stderr
    state = made.state()
    assert "all 3 rounds are done" in (state.engine.stop_reason if state.engine else "")
    half = next(e for e in state.experiments if e.candidate == "WIDTH=40")
    assert [(t.seed, t.outcome) for t in half.trials] == [(11, "ok"), (12, "interrupted"), (12, "ok")]
    first = [e.candidate for e in state.experiments if e.group == "round 1"]
    assert first == ["DEPTH=3", "WIDTH=40", "HEADS=3", "RANK=5"]
    log = growthread.load(made.paths.growth_log)
    assert [entry["iter"] for entry in log["iterations"]] == [-1, 0, 1, 2]
    check_log(made, log, cost)
    chosen = [planned.chosen for planned in state.rounds]
    assert state.segments[0].line == [1, *chosen] and None not in chosen
    champion = state.champion
    assert (
        champion is not None and made.git("show", f"{champion.commit}:train.py") == (made.root / "train.py").read_text()
    )
    public = made.paths.public_log.read_text()
    assert public.count('"type":"override"') == 3 and '"by":"round"' in public and '"group":"round 2"' in public
    assert all(e.verdict == "discard" and "no verdict" in e.reason for e in state.experiments if e.candidate)
    assert growing.of_state(state).path() == growthread.read(made.paths.growth_log).path()


def test_a_crash_is_left_out_and_a_second_epoch_is_warned_of(tmp_path: Path) -> None:
    made = lab(tmp_path / "toy", "iter", rounds=1, wait='echo "epoch: 2" >> run.log', heads=2)
    done = made.overnight("start", "--foreground", str(made.root))
    assert done.returncode == 0, done.stderr
    state = made.state()
    assert "left out: HEADS=3" in state.rounds[0].reason
    assert any("more than once (epoch 2)" in text for _, text in state.troubles)
    crashed = next(e for e in state.experiments if e.candidate == "HEADS=3")
    assert crashed.status == "crash" and len(crashed.trials) == 1, "what crashes is not tried with further seeds"
    log = growthread.load(made.paths.growth_log)
    assert [one["param"] for one in log["iterations"][1]["left_out"]] == ["HEADS"]
    check_log(made, log, "iter")
    asi = next(e for e in state.experiments if e.candidate == "DEPTH=3").asi
    assert {"delta_score", "delta_cost", "efficiency", "seed_spread"} <= set(asi)


def test_a_machine_that_fails_pauses_the_search_which_goes_on_when_it_is_mended(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    made = lab(
        tmp_path / "toy", rounds=1, wait=f'test ! -e {broken} || {{ echo "No CUDA GPUs are available"; exit 1; }}'
    )
    assert made.overnight("start", "--foreground", "--experiments", "1", str(made.root)).returncode == 0
    broken.touch()
    done = made.overnight("start", "--foreground", str(made.root))
    assert done.returncode == 1 and "the champion itself fails" in done.stderr
    last = made.state().experiments[-1]
    assert [(t.of, t.cause) for t in last.trials] == [("candidate", "no_gpu"), ("champion", "no_gpu")]
    broken.unlink()
    assert made.overnight("resume", str(made.root)).returncode == 0
    assert made.overnight("start", "--foreground", str(made.root)).returncode == 0
    state = made.state()
    assert [e.candidate for e in state.experiments].count(last.candidate) == 2
    assert state.rounds[0].chosen is not None and "left out" not in state.rounds[0].reason


def test_a_search_whose_every_candidate_crashes_asks_the_champion_before_it_ends(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    wait = f'test "$OVERNIGHT_RUN" = 1 || test ! -e {broken} || {{ echo "ValueError: no data"; exit 1; }}'
    made = lab(tmp_path / "toy", rounds=1, wait=wait)
    settings = made.paths.settings
    settings.write_text(
        settings.read_text().replace("{DEPTH = 1, WIDTH = 8, HEADS = 1, RANK = 1}", "{WIDTH = 8, RANK = 1}")
    )
    broken.touch()
    done = made.overnight("start", "--foreground", str(made.root))
    assert done.returncode == 1 and "the champion itself fails" in done.stderr
    state = made.state()
    assert [[(t.of, t.outcome) for t in e.trials] for e in state.experiments[1:]] == [
        [("candidate", "crash")],
        [("candidate", "crash"), ("champion", "crash")],
    ]
    assert not state.rounds[-1].stop
    broken.unlink()
    assert made.overnight("resume", str(made.root)).returncode == 0
    assert made.overnight("start", "--foreground", str(made.root)).returncode == 0
    assert [e.candidate for e in made.state().experiments].count("RANK=5") == 2, "what the machine ended is tried again"


def test_without_a_val_loss_the_search_says_what_is_missing(tmp_path: Path) -> None:
    made = lab(tmp_path / "toy")
    script = made.root / "autoresearch.sh"
    script.write_text(script.read_text().replace("METRIC val_loss", "METRIC other"))
    made.git("commit", "-qam", "no val_loss")
    done = made.overnight("start", "--foreground", str(made.root))
    assert "prints no METRIC val_loss" in done.stdout + done.stderr and len(made.state().experiments) == 1
