"""On a machine with an NVIDIA GPU: `python -m tests.gpu.on_device [SCENE …]`. Asserts, and prints what it measured.

Not collected by pytest. Needs torch, git and nvidia-smi. `--rehearse` runs the scenes on the CPU: the script itself is
then tried, nothing of a GPU's is measured. Scenes: smi, cost, oom, hang, killed, engine, crowded, busy,
and where it is named: fit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.gpu.locks import visible
from engine.gpu.nvml import Nvml
from engine.gpu.samples import GpuSample
from engine.gpu.telemetry import Telemetry
from engine.session.state import State
from tests.loop.lab import Lab

FREE_S = 10.0
"""Within so many seconds the memory must be free again."""
SLACK_MB = 64
HOLD_MB = 8192
WAIT_S = 120.0

TRAIN = '''"""Takes memory of the GPU, then does what its mode says; the baseline of a toy session."""

import os
import pathlib
import signal
import sys
import time

import torch

ALPHA = 0.9  # first
BETA = 0.1  # second
device = "cuda" if os.environ.get("CUDA_VISIBLE_DEVICES") else "cpu"
mode = pathlib.Path("mode").read_text()
mib = {hold_mb} if device == "cuda" else 8
held = torch.ones(mib << 18, device=device)  # 4 bytes each
print("holding", float(held.sum().cpu() * 0), flush=True)
pathlib.Path("pid").write_text(str(os.getpid()))
if mode == "oom":
    if device == "cpu":
        raise RuntimeError("CUDA out of memory. (a rehearsal)")
    more = [held.clone() for _ in range(1000)]
elif mode == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)
elif mode == "wait":
    time.sleep(3600)
elif mode == "short":
    time.sleep(3)
print("METRIC-OK")
'''
BENCHMARK = """"$OVERNIGHT_PYTHON" train.py > run.log 2>&1 || exit $?
peak=$([ -n "${CUDA_VISIBLE_DEVICES:-}" ] && echo HOLD || echo 1)
echo METRIC val_bpb=1.0
echo METRIC peak_vram_mb=$peak
"""


class Scene:
    """A toy session in a mode, its engine, and the device's memory."""

    def __init__(self, root: Path, mode: str, timeout_s: float = 600.0) -> None:
        benchmark = BENCHMARK.replace("HOLD", str(HOLD_MB))
        self.lab = Lab(root / mode, benchmark, f"[gate]\njump = 0\n[run]\ntimeout_s = {timeout_s:g}\n")
        self.lab.paths.root.joinpath("mode").write_text(mode)
        (self.lab.root / "train.py").write_text(TRAIN.format(hold_mb=HOLD_MB))
        with (self.lab.root / ".gitignore").open("a") as file:
            file.write("mode\npid\n")
        self.lab.git("commit", "-qam", "session: it takes memory")
        self.before = used_mb()
        self.engine = self.lab.engine("--no-fit")

    def holding(self) -> int:
        """Wait until train.py holds its memory; its process id."""
        until((self.lab.root / "pid").exists, f"train.py holds memory ({self.lab.root})")
        return int((self.lab.root / "pid").read_text())

    def end(self) -> None:
        if self.engine.poll() is None:
            self.engine.send_signal(signal.SIGTERM)
        self.engine.wait(WAIT_S)
        assert self.engine.stderr is not None
        self.engine.stderr.close()


rehearsing = False
nvml = Nvml()


def device() -> GpuSample | None:
    found = visible([gpu for gpu in nvml.sample() if gpu.uuid], os.environ.get("CUDA_VISIBLE_DEVICES"))
    return found[0] if found else None


def used_mb() -> int:
    gpu = device()
    return 0 if gpu is None else gpu.used_mb or 0


def until(true: Callable[[], object], what: str, wait_s: float = WAIT_S) -> float:
    """Seconds until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < wait_s, f"not within {wait_s:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began


def freed(scene: Scene, name: str) -> None:
    """Memory is back at the level before within ten seconds from now."""
    seconds = until(lambda: used_mb() <= scene.before + SLACK_MB, f"{name}: memory free again", FREE_S)
    print(f"{name}: free again after {seconds:.2f} s ({scene.before} MiB before, {used_mb()} now)", flush=True)


def ended(state: State) -> bool:
    return bool(state.experiments and state.experiments[0].trials and state.experiments[0].trials[0].outcome)


def smi(root: Path) -> None:
    """NVML's figures are nvidia-smi's."""
    fields = "uuid,name,memory.used,memory.total,temperature.gpu,power.limit,clocks.mem,driver_version"
    said = subprocess.run(
        ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"], capture_output=True, text=True
    ).stdout.splitlines()
    gpus = nvml.sample()
    for line, gpu in zip(said, gpus, strict=True):
        uuid, name, used, total, temp, limit, clock, driver = (part.strip() for part in line.split(","))
        print(f"nvidia-smi: {line}\nnvml:       {gpu}", flush=True)
        assert (gpu.uuid, gpu.name, nvml.about().version) == (uuid, name, driver)
        assert abs((gpu.total_mb or 0) - float(total)) < 8 and abs((gpu.used_mb or 0) - float(used)) < 64
        assert abs((gpu.temp_c or 0) - float(temp)) <= 3 and abs((gpu.power_limit_w or 0) - float(limit)) < 1
        assert abs((gpu.mem_mhz or 0) - float(clock)) <= 50


def cost(root: Path) -> None:
    """Sampling at 1 Hz costs no steps: matmuls a second with and without it, in turns."""
    import torch

    where = "cpu" if rehearsing else "cuda"
    size = 256 if rehearsing else 4096
    x = torch.randn(size, size, device=where, dtype=torch.float32 if rehearsing else torch.bfloat16)

    def rate(seconds: float) -> float:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            for _ in range(20):
                x @ x
            float((x @ x)[0, 0])
            count += 21
        return count / (time.monotonic() - began)

    rate(1.0)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(6):
        if turn % 2:
            with Telemetry(root / f"telemetry-{turn}.jsonl"):
                rates[True].append(rate(3.0))
        else:
            rates[False].append(rate(3.0))
    without, sampled = (sorted(found)[1] for found in (rates[False], rates[True]))
    print(f"cost: {without:.0f} matmuls/s without, {sampled:.0f} with sampling: {sampled / without:.4f}", flush=True)
    assert rehearsing or sampled > 0.99 * without


def oom(root: Path) -> None:
    """A run that asks for more than there is."""
    scene = Scene(root, "oom")
    state = scene.lab.wait(ended, WAIT_S)
    freed(scene, "oom")
    trial = state.experiments[0].trials[0]
    print(f"oom: {trial.cause}: {trial.detail[:300]}", flush=True)
    assert (trial.outcome, trial.cause) == ("crash", "oom")
    scene.end()


def hang(root: Path) -> None:
    """A run that hangs, holds memory and ignores SIGTERM, ended by its limit."""
    scene = Scene(root, "hang", timeout_s=30)
    pid = scene.holding()
    assert rehearsing or used_mb() >= scene.before + HOLD_MB
    state = scene.lab.wait(ended, WAIT_S)
    freed(scene, "hang")
    trial = state.experiments[0].trials[0]
    assert (trial.outcome, trial.cause) == ("timeout", "timeout") and not Path(f"/proc/{pid}").exists()
    scene.end()


def killed(root: Path) -> None:
    """train.py is killed with -9."""
    scene = Scene(root, "wait")
    os.kill(scene.holding(), signal.SIGKILL)
    freed(scene, "killed")
    trial = scene.lab.wait(ended, WAIT_S).experiments[0].trials[0]
    assert (trial.outcome, trial.cause) == ("crash", "killed"), trial
    scene.end()


def engine(root: Path) -> None:
    """The engine is killed with -9 during a run."""
    scene = Scene(root / "engine", "wait")
    pid = scene.holding()
    scene.engine.kill()
    freed(scene, "engine")
    until(lambda: not Path(f"/proc/{pid}").exists(), "train.py is gone", FREE_S)
    scene.end()


def _holder(mib: int) -> subprocess.Popen[bytes]:
    """Another's process that holds so much of the GPU."""
    code = f"import torch, sys; x = torch.ones({mib} << 18, device={'cpu' if rehearsing else 'cuda'!r}); "
    code += "torch.cuda.is_available() and torch.cuda.synchronize(); print(1, flush=True); sys.stdin.read()"
    made = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert made.stdout is not None and made.stdout.readline() == b"1\n"
    return made


def crowded(root: Path) -> None:
    """An out-of-memory error is told from one that others are behind."""
    gpu = device()
    other = _holder(8 if gpu is None else int(0.85 * (gpu.total_mb or 0)))
    scene = Scene(root / "crowded", "oom")
    trial = scene.lab.wait(ended, WAIT_S).experiments[0].trials[0]
    print(f"crowded: {trial.cause}: {trial.detail[-400:]}", flush=True)
    assert trial.cause == ("oom" if rehearsing else "oom_others")
    assert rehearsing or any("in use already" in text for _, text in scene.lab.state().troubles)
    scene.end()
    other.communicate()


def busy(root: Path) -> None:
    """The next run waits while another's process leaves no room for it, and goes on by itself after that."""
    scene = Scene(root / "busy", "short")
    scene.lab.wait(lambda state: state.champion, WAIT_S)
    first = scene.lab.state().experiments[0]
    print(
        f"busy: printed {first.metrics.get('peak_vram_mb')}, driver {first.metrics.get('nvml_peak_mb')} MiB", flush=True
    )
    scene.end()
    gpu = device()
    other = _holder(8 if gpu is None else (gpu.total_mb or 0) - HOLD_MB)
    scene.engine = scene.lab.engine("--no-fit")
    count = len(scene.lab.state().experiments)
    if not rehearsing:
        delayed = scene.lab.wait(lambda state: state.delayed, WAIT_S).delayed
        print(f"busy: {delayed}", flush=True)
    other.communicate()
    scene.lab.wait(lambda state: len([e for e in state.experiments if e.trials]) > count, WAIT_S)
    scene.end()


def fit(root: Path) -> None:
    """The 16 GB tier in a cap of 6 GB: what fits is found at the first start. Takes minutes."""
    from engine.session.journal import read
    from engine.session.paths import SessionPaths
    from engine.work.creation import create

    paths: SessionPaths = create("fit", root, tier="vram-16", data="demo", on_progress=print).paths
    environment = {**os.environ, "OVERNIGHT_VRAM_MB": "6000"}
    made = subprocess.Popen([sys.executable, "-m", "engine.loop", str(paths.root)], env=environment)
    began = time.monotonic()
    until(lambda: paths.journal.exists() and read(paths.journal).segments, "the search is over", 580)
    state = read(paths.journal)
    for text in [*(text for _, _, text in state.notes), *(text for _, text in state.troubles)]:
        print(f"fit: {text}", flush=True)
    print(f"fit: {time.monotonic() - began:.0f} s", flush=True)
    made.send_signal(signal.SIGTERM)
    made.wait(WAIT_S)
    assert state.fitted


SCENES = {one.__name__: one for one in (smi, cost, oom, hang, killed, engine, crowded, busy, fit)}


def main() -> None:
    global rehearsing
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; default: all but fit")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, to try this script")
    given = parser.parse_args()
    rehearsing = given.rehearse
    if device() is None and not rehearsing:
        sys.exit(f"no NVIDIA GPU here ({nvml.trouble or 'no driver'})")
    results: dict[str, str] = {}
    for name in given.scenes or [name for name in SCENES if name != "fit" and not (rehearsing and name == "smi")]:
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / name).mkdir()
                SCENES[name](Path(folder) / name)
            results[name] = "ok"
        except AssertionError as error:
            results[name] = f"FAILED: {error}"
        print(f"== {name}: {results[name]} ({time.monotonic() - began:.1f} s)", flush=True)
    print(json.dumps(results))
    sys.exit(any(found != "ok" for found in results.values()))


if __name__ == "__main__":
    main()
