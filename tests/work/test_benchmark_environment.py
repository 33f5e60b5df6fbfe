"""A trial gets what the contract names, and nothing of the shell that the engine was started from."""

from __future__ import annotations

from pathlib import Path

from engine.work.environment import cache_folder, trial_environment

BASE = {
    "PATH": "/bin",
    "HOME": "/home/ann",
    "PYTHONPATH": "/evil",
    "PYTHONSTARTUP": "/evil.py",
    "GIT_DIR": "/else",
    "OVERNIGHT_BUDGET": "99",
    "OVERNIGHT_COOKIE": "outer:1:1",
    "LC_NUMERIC": "de_DE.UTF-8",
    "OMP_NUM_THREADS": "64",
    "CUDA_VISIBLE_DEVICES": "3",
}


def make(cpu: bool, budget: str = "", device: str = "") -> dict[str, str]:
    return trial_environment(
        BASE, python="/venv/bin/python", seed=7, budget=budget, cookie="s:2:1", run=2, cpu=cpu, device=device
    )


def test_what_the_contract_names_is_there() -> None:
    found = make(cpu=True, budget="120")
    assert (found["OVERNIGHT_PYTHON"], found["OVERNIGHT_SEED"], found["OVERNIGHT_RUN"]) == (
        "/venv/bin/python",
        "7",
        "2",
    )
    assert (found["OVERNIGHT_BUDGET"], found["OVERNIGHT_COOKIE"]) == ("120", "s:2:1")
    assert found["PATH"] == "/bin"


def test_without_a_budget_of_its_own_a_trial_does_not_inherit_one() -> None:
    assert "OVERNIGHT_BUDGET" not in make(cpu=True)


def test_variables_that_bend_python_git_or_numbers_are_left_out() -> None:
    assert not {"PYTHONPATH", "PYTHONSTARTUP", "GIT_DIR", "LC_NUMERIC"} & set(make(cpu=True))


def test_the_cpu_gets_fast_memory_and_pinned_passive_threads_and_no_gpu() -> None:
    found = make(cpu=True)
    assert (found["MALLOC_MMAP_MAX_"], found["OMP_WAIT_POLICY"], found["OMP_NUM_THREADS"]) == ("0", "PASSIVE", "2")
    assert found["MKL_NUM_THREADS"] == "2"
    assert found["CUDA_VISIBLE_DEVICES"] == ""


def test_a_gpu_is_named_by_its_uuid_and_the_cpus_variables_stay_away() -> None:
    found = make(cpu=False, device="GPU-1f")
    assert (found["CUDA_VISIBLE_DEVICES"], found["OMP_NUM_THREADS"]) == ("GPU-1f", "64")
    assert "MALLOC_MMAP_MAX_" not in found
    assert make(cpu=False)["CUDA_VISIBLE_DEVICES"] == "3"


def test_of_the_shell_only_how_a_gpu_is_used_is_passed_on_and_only_to_one() -> None:
    forced = {"OVERNIGHT_VRAM_MB": "16000", "OVERNIGHT_ATTENTION": "flex", "OVERNIGHT_DTYPE": "fp16"}
    shell = {**BASE, **forced}
    given = {"python": "python", "seed": 1, "cookie": "s:1:1", "run": 1}
    on_gpu = trial_environment(shell, cpu=False, device="GPU-1", **given)  # type: ignore[arg-type]
    on_cpu = trial_environment(shell, cpu=True, **given)  # type: ignore[arg-type]
    assert forced.items() <= on_gpu.items() and on_gpu["OVERNIGHT_DEVICE"] == "cuda"
    assert not forced.keys() & on_cpu.keys() and "OVERNIGHT_DEVICE" not in on_cpu


def test_the_cache_follows_its_variable_then_xdg_then_home() -> None:
    assert cache_folder({"OVERNIGHT_CACHE": "/big", "XDG_CACHE_HOME": "/x"}) == Path("/big")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/overnight")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/home/ann"}) == Path("/home/ann/.cache/overnight")
    assert make(cpu=True)["OVERNIGHT_CACHE"] == "/home/ann/.cache/overnight"
