"""Queued work from end to end on a toy session: real git, real processes, engines that are killed and stopped."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.loop import byhand
from engine.loop.main import run
from engine.session import inbox, publiclog
from engine.session.cookie import session_id
from engine.session.inbox import Seen
from engine.session.settings import Limits
from engine.session.state import Job, State
from engine.work import sweep
from tests.loop.growinglab import lab as growing_lab
from tests.loop.lab import BENCHMARK, Lab

IN_JOBS = 'case "$PWD" in */.overnight/jobs/*) '
HANGS = BENCHMARK + IN_JOBS + "exec sleep 1000;; esac\n"
"""A benchmark that is quick in experiments and never ends as queued work."""


def experiments(lab: Lab, count: int) -> str:
    return run(lab.paths, limits=Limits(experiments=count))


def ask(lab: Lab, kind: str, **args: str) -> str:
    """Queue it; the command's id."""
    request = inbox.request(kind, args, "tester")
    assert byhand.send(lab.paths, request).status in ("queued", "delivered", "done")
    return request.id


def work(lab: Lab) -> State:
    """An engine that does what is queued and leaves."""
    assert run(lab.paths, jobs_only=True) == "the queued work is done"
    return lab.state()


def done(state: State, id: str) -> tuple[Job, str]:
    """The ended work of a command, and its answer."""
    job = next(job for job in state.jobs if job.command == id)
    assert job.outcome
    return job, state.commands[id].answer


@contextmanager
def daemon(lab: Lab, *arguments: str) -> Iterator[int]:
    """An engine of its own process; gone at the end."""
    engine = lab.engine(*arguments)
    try:
        yield engine.pid
    finally:
        engine.terminate()
        engine.communicate(timeout=60)
        sweep.sweep(session_id(lab.root))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy")


def test_a_rerun_gives_the_same_number_and_changes_nothing_of_the_session(lab: Lab) -> None:
    experiments(lab, 3)
    before, log, head = lab.state(), lab.public(), lab.git("rev-parse", "HEAD")
    refs, text = lab.git("for-each-ref"), (lab.root / "train.py").read_text()
    ids = [ask(lab, "rerun", run=str(one.run)) for one in before.experiments]
    state = work(lab)
    for id, experiment in zip(ids, before.experiments, strict=True):
        job, answer = done(state, id)
        assert (job.outcome, job.run, job.metric, job.seed) == ("ok", experiment.run, experiment.metric, 1337)
        assert answer.endswith("the same to the last digit")
        assert (lab.paths.job(id) / "benchmark.out").is_file() and not (lab.paths.job(id) / "tree").exists()
    assert (lab.public(), lab.git("rev-parse", "HEAD"), lab.git("for-each-ref")) == (log, head, refs)
    assert (lab.root / "train.py").read_text() == text and state.experiments == before.experiments


def test_another_seed_reaches_the_benchmark_and_the_difference_is_told(tmp_path: Path) -> None:
    seeded = 'awk -v s="$OVERNIGHT_SEED" \'BEGIN { printf "METRIC val_bpb=%.6f\\n", 1 + s / 1000 }\'\n'
    lab = Lab(tmp_path / "toy", benchmark=seeded)
    experiments(lab, 1)
    id = ask(lab, "rerun", run="1", seed="1341")
    job, answer = done(work(lab), id)
    assert (job.seed, job.metric) == (1341, 2.341)
    assert "val_bpb 2.341000, before 2.337000 with seed 1337: +0.004000" in answer


def test_a_running_engine_does_it_between_two_experiments_and_goes_on(lab: Lab) -> None:
    with daemon(lab):
        lab.wait(lambda s: len(s.experiments) > 2)
        id = ask(lab, "rerun", run="1")
        state = lab.wait(lambda s: s.jobs and s.jobs[0].outcome)
        job, _ = done(state, id)
        lab.wait(lambda s: len(s.experiments) > len(state.experiments) + 1)
    for experiment in lab.state().experiments:
        for trial in experiment.trials:
            assert not job.began_at <= trial.began_at <= job.ended_at, "an experiment's trial ran beside it"
    assert not publiclog.read_log(lab.paths.public_log).problems


def test_a_paused_session_does_it_and_stays_paused(lab: Lab) -> None:
    with daemon(lab):
        lab.wait(lambda s: s.champion is not None)
        byhand.send(lab.paths, inbox.request("pause", {}, "tester"))
        lab.wait(lambda s: s.paused and s.current is None)
        ask(lab, "rerun", run="1")
        state = lab.wait(lambda s: s.jobs and s.jobs[0].outcome)
        assert state.paused and state.current is None


def test_a_run_of_an_earlier_segment_is_measured_by_that_segments_files(lab: Lab) -> None:
    experiments(lab, 1)
    was = lab.state().experiments[0].metric
    (lab.root / "autoresearch.sh").write_text("echo METRIC val_bpb=7.5\n")
    experiments(lab, 1)
    assert len(lab.state().segments) == 2
    id = ask(lab, "rerun", run="1")
    job, answer = done(work(lab), id)
    assert job.metric == was and "the same" in answer


def test_what_git_does_not_hold_is_there_too(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark='echo "METRIC val_bpb=$(cat data/number)"\n')
    (lab.root / "data").mkdir()
    (lab.root / "data" / "number").write_text("0.75\n")
    (lab.root / ".gitignore").write_text((lab.root / ".gitignore").read_text() + "data/\n")
    lab.git("commit", "-qam", "ignore the data")
    experiments(lab, 1)
    id = ask(lab, "rerun", run="1")
    assert done(work(lab), id)[0].metric == 0.75
    assert (lab.root / "data" / "number").read_text() == "0.75\n"


def test_a_dirty_tree_is_refused_or_measured_with_its_difference_recorded(lab: Lab) -> None:
    (lab.root / "search_space.toml").write_text('[ALPHA]\nkind = "choice"\nvalues = [0.9, 1.0]\nfamily = "first"\n')
    lab.git("commit", "-qam", "a space in which everything is worse")
    experiments(lab, 1)
    train = lab.root / "train.py"
    edited = train.read_text().replace("ALPHA = 0.9", "ALPHA = 0.3")
    train.write_text(edited)
    first = ask(lab, "rerun", run="1")
    state = work(lab)
    assert state.commands[first].status == "refused" and "train.py in" in state.commands[first].answer
    assert not state.jobs and "--dirty" in state.commands[first].answer
    id = ask(lab, "rerun", run="1", dirty="true")
    job, answer = done(work(lab), id)
    assert job.metric == 1.25 and "with the uncommitted edits" in answer and "-0.360000" in answer
    patch = (lab.paths.job(id) / "dirty.patch").read_text()
    assert "dirty.patch" in job.files and "-ALPHA = 0.9" in patch and "+ALPHA = 0.3" in patch
    assert train.read_text() == edited, "the operator's edit stays where it is"


def test_an_edit_of_another_text_than_the_runs_is_not_laid_over_it(lab: Lab) -> None:
    experiments(lab, 4)
    state = lab.state()
    champion = state.champion
    assert champion is not None and champion.run != 1
    train = lab.root / "train.py"
    train.write_text(train.read_text() + "# mine\n")
    id = ask(lab, "rerun", run="1", dirty="true")
    assert "another text than run 1's" in work(lab).commands[id].answer


def test_x_ends_the_work_and_the_loop_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    with daemon(lab):
        lab.wait(lambda s: s.champion is not None)
        id = ask(lab, "rerun", run="1")
        lab.wait(lambda s: s.job is not None)
        assert byhand.send(lab.paths, inbox.request("abort", {}, "anna", Seen(job=id))).status == "done"
        state = lab.wait(lambda s: s.jobs and s.jobs[0].outcome)
        assert state.jobs[0].outcome == "aborted" and state.commands[id].answer == "aborted by anna"
        lab.wait(lambda s: len(s.experiments) > len(state.experiments) + 1)
        assert not (lab.paths.job(id) / "tree").exists()


def test_a_killed_engine_leaves_work_that_the_next_tells_as_interrupted(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    with daemon(lab) as pid:
        lab.wait(lambda s: s.champion is not None)
        id = ask(lab, "rerun", run="1")
        lab.wait(lambda s: s.job is not None)
        os.kill(pid, signal.SIGKILL)
    state = work(lab)
    assert [job.outcome for job in state.jobs] == ["interrupted"] and "ask again" in state.commands[id].answer
    assert not sweep.find(session_id(lab.root)), "nothing of it runs any more"
    again = ask(lab, "profile", run="1")
    assert "no training_batches" in work(lab).commands[again].answer
    assert not list(lab.paths.jobs.glob("*/tree")), "what was laid out for it is gone"


def test_an_engine_ended_by_a_signal_tells_its_work_as_interrupted(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=HANGS)
    experiments(lab, 1)
    id = ask(lab, "rerun", run="1")
    with daemon(lab, "--jobs"):
        lab.wait(lambda s: s.job is not None)
    state = lab.state()
    assert state.jobs[0].outcome == "interrupted" and "SIGTERM" in state.commands[id].answer
    assert state.engine is not None and state.engine.stop_reason == "interrupted by SIGTERM"


def test_an_engine_for_queued_work_touches_neither_an_open_experiment_nor_an_edit(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || sleep 1000\n')
    with daemon(lab) as pid:
        lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
        os.kill(pid, signal.SIGKILL)
    tried, head = (lab.root / "train.py").read_text(), lab.git("rev-parse", "HEAD")
    (lab.root / "program.md").write_text("mine\n")
    id = ask(lab, "rerun", run="1")
    state = work(lab)
    assert done(state, id)[0].outcome == "ok"
    assert state.current is not None and state.current.run == 2 and not state.current.trials[-1].outcome
    assert (lab.root / "train.py").read_text() == tried and lab.git("rev-parse", "HEAD") == head
    assert (lab.root / "program.md").read_text() == "mine\n"


def test_a_run_of_several_seeds_is_compared_with_its_trial_of_the_same_seed(tmp_path: Path) -> None:
    toy = growing_lab(tmp_path / "toy", rounds=1)
    assert toy.overnight("start", "--foreground", str(toy.root)).returncode == 0
    of_seed = {trial.seed: trial.metric for trial in toy.state().experiments[1].trials}
    assert len(of_seed) == 2 and len(set(of_seed.values())) == 2
    ids = {seed: ask(toy, "rerun", run="2", **({"seed": str(seed)} if seed else {})) for seed in (0, 12, 99)}
    state = work(toy)
    assert f"seed 11: val_bpb {of_seed[11]:.6f}, before {of_seed[11]:.6f}: the same" in done(state, ids[0])[1]
    assert f"seed 12: val_bpb {of_seed[12]:.6f}, before {of_seed[12]:.6f}: the same" in done(state, ids[12])[1]
    assert ", the mean of 2 seeds: " in done(state, ids[99])[1]
