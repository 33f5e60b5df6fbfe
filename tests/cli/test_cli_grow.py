"""overnight grow: set up, overridden, gone on from a log of elsewhere."""

from pathlib import Path

import pytest

from engine.session import growthread
from engine.session.journal import read
from tests.loop.growinglab import check_log, lab
from tests.loop.lab import Lab
from tests.session.test_growthlog import PUBLIC


@pytest.fixture
def toy(tmp_path: Path) -> Lab:
    return lab(tmp_path / "toy", rounds=1)


def test_a_configuration_an_override_and_the_settings_are_set_and_recorded(toy: Lab, tmp_path: Path) -> None:
    config = tmp_path / "start.yaml"
    config.write_text("WIDTH: 40\nDEPTH: 2\nseed: 11\nmax_iters: 20\nfloor: marble\n")
    done = toy.overnight(
        "grow", str(toy.root), "--config", str(config), "--override", "max_iters=30", "--override", "HEADS=3",
        "--param", "WIDTH=8", "--param", "HEADS=1", "--rounds", "1", "--cost", "vram", "--foreground",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out, for nothing in toy is called so: floor" in done.stderr
    state = toy.state()
    baseline = state.experiments[0]
    assert {"val_loss", "num_steps"} <= set(baseline.metrics) and baseline.metrics["num_steps"] == 30
    assert "WIDTH = 40" in toy.git("show", f"{baseline.commit}:train.py")
    assert "HEADS = 3" in toy.git("show", f"{baseline.commit}:train.py")
    assert [c.key for c in state.rounds[0].candidates] == ["WIDTH=48", "HEADS=4"]
    edits = [command.args for command in state.commands.values() if command.kind == "edit"]
    assert {"key": "max_iters", "value": "30"} in edits and {"key": "DEPTH", "value": "2"} not in edits
    log = growthread.load(toy.paths.growth_log)
    assert log["efficiency_target"] == "vram" and log["iterations"][0]["baseline_config_after"]["max_iters"] == 30
    check_log(toy, log, "vram")


def test_an_override_between_rounds_measures_the_baseline_again(toy: Lab) -> None:
    first = toy.overnight("start", "--foreground", str(toy.root))
    assert first.returncode == 0, first.stderr
    again = toy.overnight("grow", str(toy.root), "--rounds", "2", "--override", "max_iters=25", "--foreground")
    assert again.returncode == 0, again.stderr
    state = toy.state()
    assert [segment.budget for segment in state.segments] == ["", "25"]
    baseline = state.baseline
    assert baseline is not None and baseline.metrics["num_steps"] == 25 and len(baseline.trials) == 2
    assert [planned.number for planned in state.rounds] == [1, 2]
    entries = growthread.load(toy.paths.growth_log)["iterations"]
    assert [entry.get("action") for entry in entries] == [None, None, "baseline_measured_again", None]


def test_a_log_of_the_public_tool_is_gone_on_from(tmp_path: Path) -> None:
    toy = lab(tmp_path / "toy", rounds=3)
    with (toy.root / "train.py").open("a") as file:
        file.write("N_EMBD = 48  # another\n")
    toy.git("commit", "-qam", "more")
    path = tmp_path / "sweep_log.yaml"
    path.write_text(PUBLIC)
    done = toy.overnight("grow", str(toy.root), "--continue", str(path), "--param", "N_EMBD=16", "--foreground")
    assert done.returncode == 0, done.stderr
    state = toy.state()
    assert state.length == "1500" and "N_EMBD = 64" in (toy.root / "train.py").read_text()
    assert "DEPTH = 3" in (toy.root / "train.py").read_text(), "n_layer is the template's DEPTH"
    entries = growthread.load(toy.paths.growth_log)["iterations"]
    assert [entry["iter"] for entry in entries] == [-1, 0, 1, 1, 2]
    assert entries[3]["action"] == "baseline_measured_again" and entries[1]["chosen"]["param"] == "n_layer"
    assert [planned.number for planned in state.rounds] == [3]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--override", "max_iters"], 2, "expected KEY=VALUE"),
        (["--override", "max_iters=many"], 4, "expected a number above 0"),
        (["--param", "WIDTH=lots"], 4, "grow.parameters"),
        (["--param", "GIRTH=1"], 4, "--param GIRTH: nothing in train.py is called so; nothing was changed"),
        (["--seeds", "0", "--cost", "vram"], 4, "grow.seeds is 0; allowed is a number of at least 1"),
        (["--override", "DEPTH=deep"], 4, "DEPTH is 2; a number is expected, and 'deep' is none"),
        (["--config", "gone.yaml"], 4, "gone.yaml cannot be read"),
        (["--continue", "train.py"], 4, "train.py"),
        (["--view", "gone.yaml"], 4, "gone.yaml cannot be read"),
    ],
)
def test_mistakes_are_told_in_a_sentence(toy: Lab, words: list[str], code: int, says: str) -> None:
    done = toy.overnight("grow", str(toy.root), *words)
    assert done.returncode == code and says in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not read(toy.paths.journal).experiments


def test_a_running_engine_is_not_given_what_it_would_refuse_later(tmp_path: Path) -> None:
    toy = lab(tmp_path / "toy", rounds=1, wait="sleep 60")
    engine = toy.engine()
    try:
        toy.wait(lambda state: state.current)
        for words, says in (
            (["--seeds", "0"], "grow.seeds is 0; allowed is"),
            (["--rounds", "7", "--override", "grow.cost=gold"], "grow.cost is 'gold'; allowed is"),
            (["--override", "max_iters=many"], "max_iters is 'many'; expected a number above 0"),
            (["--override", "seed=lucky"], "run.seed is 'lucky'; allowed is a whole number"),
        ):
            done = toy.overnight("grow", str(toy.root), *words)
            assert done.returncode == 4 and says in done.stderr, done.stderr
        assert not toy.state().commands
    finally:
        engine.kill()
        engine.wait()
