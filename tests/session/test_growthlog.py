"""Growth logs: what the public tool writes is read, what is written is read back, and damage is told."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from engine.session import growing, growthlog, growthratios, growthread
from engine.session.settings import Grow
from tests.loop.growingworld import GrowingWorld

PUBLIC = """\
baseline_config: {n_layer: 3, n_embd: 64, mlp_size: 256, max_iters: 1000, dataset: shakespeare_char}
iterations:
- iter: -1
  baseline_metrics: {loss: 2.0, score: 0.1353352832366127, params: 100000.0, peak_gpu_mb: 512.5,
    iter_latency_avg: 12.5, best_iter: 900}
  baseline_config_after: &id001 {n_layer: 2, n_embd: 64, mlp_size: 256, max_iters: 1000}
- iter: 0
  baseline_metrics: {loss: 1.8, score: 0.1652988882215865, params: 150000.0, peak_gpu_mb: 600.0,
    iter_latency_avg: 15.0, best_iter: 1000}
  candidates:
  - &id002
    param: n_layer
    value: {dup: 0, new_layers: 3}
    avg_loss: 1.8
    avg_score: 0.1652988882215865
    best_val_loss: 1.8
    best_iter: 1000
    num_params: 150000.0
    peak_gpu_mb: 600.0
    iter_latency_avg: 15.0
    delta_score: 0.0299636049849738
    delta_params: 50000.0
    delta_vram: 87.5
    delta_iter_latency: 2.5
    efficiency: 0.000342441199828272
    seeds:
    - {seed: 1337, loss: 1.79, score: 0.16696, best_iter: 1000, peak_gpu_mb: 600.0, iter_latency_ms: 15.0}
    - {seed: 1338, loss: 1.81, score: 0.16365, best_iter: 990, peak_gpu_mb: 600.0, iter_latency_ms: 15.0}
  - param: mlp_size_layerlist[1]
    value: 320
    avg_loss: 2.1
    avg_score: 0.1224564282529819
    num_params: 100000.0
    delta_score: -0.0128788549836308
    delta_params: 0.0
    delta_vram: 0.0
    delta_iter_latency: 0.5
    efficiency: 0.0
    seeds: []
  chosen: *id002
  baseline_config_after: {n_layer: 3, n_embd: 64, mlp_size: 256, max_iters: 1000, _last_dup_idx: 0}
- iter: 1
  baseline_metrics: {loss: 1.8, score: 0.1652988882215865, params: 150000.0, peak_gpu_mb: 600.0,
    iter_latency_avg: 15.0, best_iter: 1000}
  candidates: []
  chosen: null
  action: max_iters_increased_to_1500
  baseline_config_after: {n_layer: 3, n_embd: 64, mlp_size: 256, max_iters: 1500, _last_dup_idx: 0}
stop_reason: no_positive_efficiency
"""


def test_a_log_of_the_public_tool_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sweep_log.yaml"
    path.write_text(PUBLIC)
    found = growthread.read(path)
    assert found.stop == "no_positive_efficiency" and found.cost == "vram", "the efficiencies tell what it was made for"
    first, one, two = found.rounds
    assert (first.number, one.number, two.number) == (0, 1, 2) and first.baseline is not None
    assert one.chosen == "n_layer=3, layer 0 copied" and one.baseline == first.baseline
    picked = one.picked
    assert (
        picked is not None
        and picked.delta_cost == 87.5
        and [s.seed for s in (picked.measured or first.baseline).seeds] == [1337, 1338]
    )
    assert picked.measured is not None and math.isclose(picked.measured.spread, 0.00331)
    assert two.action == "max_iters_increased_to_1500" and not two.chosen
    assert found.path() == [(512.5, 0.1353352832366127), (600.0, 0.1652988882215865)]
    assert growthread.config_of(growthread.load(path)) == {
        "n_layer": 3,
        "n_embd": 64,
        "mlp_size": 256,
        "max_iters": 1500,
    }


@pytest.mark.parametrize("cost", ["params", "vram", "iter"])
def test_what_is_written_is_read_back(tmp_path: Path, cost: str) -> None:
    world = GrowingWorld(Grow(cost=cost, seeds=2, rounds=4), crash="C=2")  # type: ignore[arg-type]
    world.run()
    ours = growing.of_state(world.state)
    path = tmp_path / "grow.yaml"
    path.write_text(growthlog.render(ours))
    read = growthread.read(path)
    assert read.cost == cost and read.path() == ours.path()
    for mine, theirs in zip(ours.rounds, [one for one in read.rounds if one.number], strict=True):
        assert (mine.number, mine.chosen, mine.reason) == (theirs.number, theirs.chosen, theirs.reason)
        done = {c.key: (c.delta_score, c.efficiency, c.run) for c in mine.candidates if c.status == "done"}
        assert done == {c.key: (c.delta_score, c.efficiency, c.run) for c in theirs.candidates if c.status == "done"}
        assert {c.key for c in theirs.candidates} == {c.key for c in mine.candidates}
    plain = yaml.safe_load(path.read_text())
    assert {"baseline_config", "iterations"} <= set(plain) and [e["iter"] for e in plain["iterations"]] == [
        -1,
        0,
        1,
        2,
        3,
    ]
    needed = {"loss", "score", "params", "peak_gpu_mb", "iter_latency_avg", "best_iter"}
    assert all(needed <= set(entry["baseline_metrics"]) for entry in plain["iterations"]), "what its resuming reads"
    assert plain["iterations"][-1]["baseline_config_after"] == plain["baseline_config"]


def test_a_round_that_is_on_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    whole = GrowingWorld(Grow(seeds=2, rounds=2))
    whole.run()
    at = next(n for n, e in enumerate(whole.journal) if getattr(e, "round", 0) == 2)
    cut = GrowingWorld(Grow(seeds=2, rounds=2), whole.journal[: at + 14])
    path = tmp_path / "grow.yaml"
    path.write_text(growthlog.render(growing.of_state(cut.state)))
    last = growthread.read(path).rounds[-1]
    assert (
        last.open
        and last.number == 2
        and [(c.key, c.status) for c in last.candidates]
        == [
            ("A=3", "done"),
            ("B=2", "waiting"),
            ("C=2", "waiting"),
        ]
    )
    assert growing.of_state(cut.state).rounds[-1].tried == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", r"line \d: not YAML"),
        ("- 1\n", "expected baseline_config"),
        ("iterations: 3\n", "iterations as a list"),
        ("iterations: [{candidates: []}]\n", "entry 1 of iterations has no iter"),
    ],
)
def test_what_is_no_growth_log_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(growthread.GrowthLogError, match=says) as told:
        growthread.read(path)
    assert str(path) in str(told.value)


def test_the_ratio_of_a_known_power_law_is_found_with_its_error() -> None:
    def config(width: int, mlp: int) -> dict[str, object]:
        return {"N_EMBD": str(width), "MLP_WIDTH": str(mlp), "DEPTH": "2"}

    sizes = [(64, 256), (128, 724), (256, 2048), (512, 5793)]  # mlp = c · width^1.5
    rounds = [
        growing.Round(at, "params", None, chosen="x", before=config(*a), config=config(*b))
        for at, (a, b) in enumerate(pairwise(sizes), 1)
    ]
    fit = next(f for f in growthratios.fits(growing.Growth(tuple(rounds))) if f.size == "MLP_WIDTH")
    assert math.isclose(fit.exponent, 1.5, abs_tol=1e-3) and fit.error < 1e-3 and fit.points == 4
    assert "MLP_WIDTH ∝ N_EMBD^1.50 ± 0.00 over 4 baselines" in growthratios.lines(growing.Growth(tuple(rounds)))[0]
    assert "not told" in growthratios.lines(growing.Growth())[0]


def test_a_slope_and_its_error_are_those_of_the_textbook() -> None:
    # y = 2x with residuals +1, -1, -1, +1 at x = 0..3: slope 2, s² = 4/2, Sxx = 5
    assert growthratios.slope([(0, 1), (1, 1), (2, 3), (3, 7)]) == pytest.approx((2.0, math.sqrt(2 / 5)))


NEWEST = """\
baseline_config: {n_layer: 1}
iterations:
- iter: -1
  baseline_metrics: {loss: 2.0, score: 0.1353352832366127, params: 100.0, peak_torch_allocated_mb: 500.0,
    peak_torch_reserved_mb: 700.0, peak_process_gpu_mb: 900.0, iter_latency_avg: 12.5, best_iter: 900, rankme: 3.0}
  baseline_config_after: {n_layer: 1}
- iter: 0
  baseline_metrics: {loss: 1.8, score: 0.1652988882215865, params: 150.0, peak_torch_allocated_mb: 600.0}
  candidates:
  - {param: n_layer, value: 2, avg_loss: 1.8, avg_score: 0.1652988882215865, num_params: 150.0, delta_params: 50.0,
     delta_score: 0.0299636049849738, peak_torch_allocated_mb: 600.0, delta_torch_allocated_mb: 100.0,
     delta_iter_latency: 2.5, efficiency: 0.000299636049849738, avg_rankme: 3.1, seeds: []}
  chosen: {param: n_layer, value: 2}
  baseline_config_after: {n_layer: 2}
"""
FIRST = """\
baseline_config: {n_head: 2}
iterations:
- iter: 0
  baseline_metrics: {loss: 1.23, score: 0.2923, params: 4100000.0, best_iter: 4700}
  candidates:
  - {param: n_head, value: 3, best_val_loss: 1.2, best_iter: 4400, num_params: 4275000.0, delta_score: 0.0089,
     delta_params: 175000.0, efficiency: 5.085714285714286e-08}
  chosen: {param: n_head, value: 3, best_val_loss: 1.2}
  baseline_config_after: {n_head: 3}
"""


def test_logs_of_the_first_and_the_newest_version_of_the_public_tool_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sweep_log.yaml"
    path.write_text(NEWEST)
    found = growthread.read(path)
    assert found.cost == "vram" and found.path() == [(500.0, 0.1353352832366127), (600.0, 0.1652988882215865)]
    picked = found.rounds[-1].picked
    assert picked is not None and picked.delta_cost == 100.0
    path.write_text(FIRST)
    found = growthread.read(path)
    assert found.cost == "params" and found.path() == [(4275000.0, pytest.approx(math.exp(-1.2)))]


def test_what_crashed_and_what_was_not_believed_or_taken_back_are_told_apart() -> None:
    base = growing.Measured(2.0, 0.135, 100.0, 10.0, 1.0)
    out = [
        growing.Candidate(f"A={n}", "A", n, status, n, note=status) for n, status in enumerate(("crash", "left_out"))
    ]
    one = growing.Round(1, "params", base, tuple(out), reason="none")
    found = growthread.growth_of(growthlog.document(growing.Growth((one,)))).rounds[-1].candidates
    assert [(c.key, c.status, c.note) for c in found] == [("A=0", "crash", "crash"), ("A=1", "left_out", "left_out")]
