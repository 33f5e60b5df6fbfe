"""train.py and autoresearch.sh as real processes: what they print, what they promise, how they fail."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from engine.work.logtrouble import read_trouble
from tests.assets.template import ASSETS, environment, run_python

PROGRESS = re.compile(
    r"step (\d{5}) \((\d+\.\d)%\) \| loss: (\d+\.\d{6}) \| lrm: (\d\.\d\d) \| dt: (\d+)ms \| tok/sec: ([\d,]+)"
    r" \| mfu: (\d+\.\d)% \| epoch: (\d+) \| remaining: (\d+)s *"
)
NAMES = {
    "val_bpb", "val_loss", "training_seconds", "total_seconds", "peak_vram_mb", "mfu_percent", "step_ms",
    "data_wait_percent", "total_tokens_M", "num_steps", "num_params_M", "depth",
}  # fmt: skip


def summary(output: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^(\w+): +(\S+)$", output.split("---\n")[1]))


def test_progress_summary_seed_and_budget(session: Callable[..., Path], cache: Path) -> None:
    folder = session()
    one = run_python(folder, "train.py", cache)
    assert one.returncode == 0, one.stdout + one.stderr
    lines = [
        PROGRESS.fullmatch(line) for line in one.stdout.replace("\r", "\n").splitlines() if line.startswith("step ")
    ]
    assert [line and (line[1], line[2]) for line in lines] == [("00000", "33.3"), ("00001", "66.7"), ("00002", "100.0")]
    values = summary(one.stdout)
    assert set(values) == NAMES
    assert values["num_steps"] == "3" and values["depth"] == "2" and 1 < float(values["val_bpb"]) < 8

    same = run_python(folder, "train.py", cache, OMP_NUM_THREADS="1")
    other = run_python(folder, "train.py", cache, OVERNIGHT_SEED="7", OVERNIGHT_BUDGET="2")
    assert summary(same.stdout)["val_bpb"] == values["val_bpb"]
    assert summary(other.stdout)["val_bpb"] != values["val_bpb"] and summary(other.stdout)["num_steps"] == "2"


def test_nan_prints_fail_and_exits_1(session: Callable[..., Path], cache: Path) -> None:
    folder = session({"EMBEDDING_LR": float("1e30"), "SCALAR_LR": float("1e38"), "UNEMBEDDING_LR": float("1e38")})
    ended = run_python(folder, "train.py", cache, OVERNIGHT_BUDGET="6")
    assert ended.returncode == 1
    assert re.search(r"(?m)^FAIL loss \S+ at step \d", ended.stdout), ended.stdout
    assert "val_bpb:" not in ended.stdout


def test_impossible_constants_are_named_not_traced(session: Callable[..., Path], cache: Path) -> None:
    ended = run_python(session({"TOTAL_BATCH_SIZE": 500}), "train.py", cache)
    assert ended.returncode == 1 and "FAIL TOTAL_BATCH_SIZE = 500" in ended.stdout and not ended.stderr


def test_a_run_that_was_promised_a_gpu_and_finds_none_fails_and_says_why(
    session: Callable[..., Path], cache: Path
) -> None:
    ended = run_python(session(), "train.py", cache, OVERNIGHT_DEVICE="cuda")
    assert ended.returncode == 1 and "FAIL no GPU to train on" in ended.stdout and "step" not in ended.stdout
    assert read_trouble(ended.stdout).cause in ("no_gpu", "gpu_driver"), ended.stdout


def test_training_without_prepared_data_says_what_to_do(
    session: Callable[..., Path], cache: Path, tmp_path: Path
) -> None:
    ended = run_python(session(), "train.py", tmp_path / "empty")
    assert ended.returncode == 1 and "overnight prepare" in ended.stdout and not ended.stderr


def benchmark(folder: Path, cache: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "autoresearch.sh"],
        cwd=folder,
        env=environment(cache, **env),
        text=True,
        capture_output=True,
        timeout=240,
    )


def test_the_benchmark_prints_each_number_once_as_a_metric(session: Callable[..., Path], cache: Path) -> None:
    folder = session()
    ended = benchmark(folder, cache)
    assert ended.returncode == 0, ended.stderr
    metrics = dict(re.findall(r"(?m)^METRIC (\w+)=(\S+)$", ended.stdout))
    log = (folder / "run.log").read_bytes()
    assert log.count(b"    \r") == 3, "progress lines end in a carriage return"
    assert metrics == summary(log.decode()) and set(metrics) == NAMES
    assert len(ended.stdout.splitlines()) == len(NAMES)


def stand_in(folder: Path, text: str, code: int) -> Path:
    folder.mkdir()
    shutil.copy(ASSETS / "autoresearch.sh", folder)
    (folder / "train.py").write_text(f"import sys\nsys.stdout.write({text!r})\nsys.exit({code})\n")
    return folder


def test_a_missing_or_unmeasured_number_stays_missing(tmp_path: Path) -> None:
    text = "step 1 | loss: 3\r---\nval_bpb: nan\nval_loss: 3.25\nmfu_percent: n/a\nstep_ms: 1e2\ndepth: 0x3\n"
    ended = benchmark(stand_in(tmp_path / "s", text, 0), tmp_path)
    assert ended.stdout.splitlines() == ["METRIC val_loss=3.25", "METRIC step_ms=1e2"]


def test_the_last_value_wins_and_the_exit_code_is_kept(tmp_path: Path) -> None:
    ended = benchmark(stand_in(tmp_path / "s", "val_bpb: 2.0\nval_bpb: 1.5\nFAIL\n", 3), tmp_path)
    assert ended.returncode == 3 and ended.stdout == "METRIC val_bpb=1.5\n"


def test_without_an_interpreter_named_python3_is_taken(tmp_path: Path) -> None:
    folder = stand_in(tmp_path / "s", "depth: 4\n", 0)
    env = {name: value for name, value in os.environ.items() if name != "OVERNIGHT_PYTHON"}
    ended = subprocess.run(
        ["bash", str(folder / "autoresearch.sh")], env=env, text=True, capture_output=True, timeout=60
    )
    assert ended.stdout == "METRIC depth=4\n" and (folder / "run.log").exists()


def test_a_fit_takes_two_steps_of_random_text_and_says_so(session: Callable[..., Path], cache: Path) -> None:
    ended = run_python(session(), "train.py", cache, OVERNIGHT_FIT="1", OVERNIGHT_BUDGET="70")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = ended.stdout.replace("\r", "\n").splitlines()
    assert re.fullmatch(r"fit: ok peak_vram_mb: \d+", lines[-1])
    assert sum(line.startswith("step ") for line in lines) == 2 and "val_bpb" not in ended.stdout


def test_memory_that_runs_out_is_told_with_what_to_do(session: Callable[..., Path], cache: Path) -> None:
    folder = session()
    source = (folder / "train.py").read_text()
    hungry = source.replace(
        "        x = x0 = norm(",
        '        raise torch.OutOfMemoryError("CUDA out of memory")\n        x = x0 = norm(',
        1,
    )
    assert hungry != source
    (folder / "train.py").write_text(hungry)
    for env, code in (({}, 1), ({"OVERNIGHT_FIT": "1"}, 3)):
        ended = run_python(folder, "train.py", cache, **env)
        assert ended.returncode == code and not ended.stderr, ended.stderr
        told = ended.stdout.splitlines()[-1]
        assert told.startswith("out of memory: 4 rows of 64 tokens at depth 2") and "Halve DEVICE_BATCH_SIZE" in told


def test_forced_precisions_and_attention_train_about_the_same_model(session: Callable[..., Path], cache: Path) -> None:
    folder = session()
    forced = [{}, {"OVERNIGHT_DTYPE": "fp16"}, {"OVERNIGHT_DTYPE": "fp32", "OVERNIGHT_ATTENTION": "sdpa"}]
    found = []
    for env in forced:
        ended = run_python(folder, "train.py", cache, OVERNIGHT_BUDGET="12", **env)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        found.append(float(summary(ended.stdout)["val_bpb"]))
    assert max(found) - min(found) < 0.03


def test_samples_are_written_where_asked_and_never_fail_a_run(
    session: Callable[..., Path], cache: Path, tmp_path: Path
) -> None:
    folder, file = session(), tmp_path / "samples.json"
    ended = run_python(folder, "train.py", cache, OVERNIGHT_SAMPLES=str(file))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    samples = json.loads(file.read_text())
    assert len({sample["prompt"] for sample in samples}) == 3 and all(sample["text"] for sample in samples)
    nowhere = run_python(folder, "train.py", cache, OVERNIGHT_SAMPLES=str(tmp_path / "no" / "folder.json"))
    assert nowhere.returncode == 0 and "samples: none written: FileNotFoundError" in nowhere.stdout
    assert summary(nowhere.stdout)["val_bpb"] == summary(ended.stdout)["val_bpb"]
