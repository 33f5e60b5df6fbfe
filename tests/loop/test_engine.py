"""The engine from end to end on a toy session: real git, real benchmark processes, the real researcher."""

import signal
from pathlib import Path

import msgspec
import pytest

from engine.loop import byhand
from engine.loop.main import LaunchRefused, run
from engine.session import inbox, publiclog
from engine.session.paths import SessionPaths
from engine.session.settings import Limits
from tests.loop.lab import BENCHMARK, Lab


def experiments(paths: SessionPaths, count: int, dirty: bool = False) -> str:
    return run(paths, limits=Limits(experiments=count), dirty=dirty)


def hand(lab: Lab, kind: str, **args: str) -> byhand.Outcome:
    return byhand.send(lab.paths, inbox.request(kind, args, "tester"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "toy")


def test_twelve_experiments_end_with_thirteen_results_and_the_champion_in_the_tree(lab: Lab) -> None:
    reason = experiments(lab.paths, 12)
    state, log = lab.state(), publiclog.read_log(lab.paths.public_log)
    assert "12 experiments" in reason
    assert len(log.results) == 13 and not log.problems
    assert state.champion is not None and state.baseline is not None
    assert state.champion.metric is not None and state.baseline.metric is not None
    assert state.champion.metric < state.baseline.metric
    champion = lab.git("show", f"{state.champion.commit}:train.py")
    assert lab.git("show", "HEAD:train.py") == champion == (lab.root / "train.py").read_text()
    best = float("inf")
    for result in log.results:
        assert result.status == ("keep" if 0 < result.metric < best else "discard")
        best = min(best, result.metric)
        assert lab.git("rev-parse", f"refs/overnight/toy/runs/{result.run:04d}").startswith(result.commit)
        assert result.run == 1 or (result.asi["hypothesis"] and result.asi["arch_change"] and result.asi["result"])
    assert lab.git("status", "--porcelain", "train.py") == ""


def test_the_same_seed_gives_the_same_night_twice(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        lab = Lab(tmp_path / name)
        experiments(lab.paths, 8)
        seen.append([(r.metric, r.description) for r in publiclog.read_log(lab.paths.public_log).results])
    assert seen[0] == seen[1]


def test_a_restart_goes_on_where_it_was(lab: Lab) -> None:
    experiments(lab.paths, 2)
    experiments(lab.paths, 2)
    assert [r.run for r in publiclog.read_log(lab.paths.public_log).results] == [1, 2, 3, 4, 5]
    assert len(lab.state().segments) == 1


def test_discards_are_reverts_and_every_run_can_be_found_again(lab: Lab) -> None:
    experiments(lab.paths, 6)
    discarded = [e for e in lab.state().experiments if e.status == "discard"]
    assert discarded, "six random steps of the toy always hold a worse one"
    log = lab.git("log", "--format=%s%n%b")
    for experiment in discarded:
        assert f'Revert "experiment: {experiment.description}"' in log
        assert f"This reverts commit {experiment.commit}." in log
    assert f"Overnight-Run: {discarded[0].run}" in log


def test_a_revert_without_an_engine_brings_back_the_champion_before_and_undo_takes_it_back(lab: Lab) -> None:
    experiments(lab.paths, 8)
    before = lab.state()
    line = list(before.segments[-1].line)
    assert len(line) > 1
    outcome = hand(lab, "revert", run=str(line[-1]))
    assert outcome.status == "done" and f"run {line[-2]} is the champion" in outcome.answer
    commit = before.experiments[line[-2] - 1].commit
    assert (lab.root / "train.py").read_text() == lab.git("show", f"{commit}:train.py")
    assert lab.git("status", "--porcelain", "train.py") == ""
    assert hand(lab, "undo").status == "done"
    after = lab.state()
    assert after.segments[-1].line == line
    assert [o.status for o in publiclog.read_log(lab.paths.public_log).overrides] == ["discard", "keep"]
    champion = after.champion
    assert champion is not None
    assert (lab.root / "train.py").read_text() == lab.git("show", f"{champion.commit}:train.py")
    experiments(lab.paths, 1)


def test_a_kept_discard_becomes_the_champion_that_later_runs_are_tried_on(lab: Lab) -> None:
    experiments(lab.paths, 6)
    discarded = next(e for e in lab.state().experiments if e.status == "discard")
    assert hand(lab, "keep", run=str(discarded.run)).status == "done"
    experiments(lab.paths, 1)
    state = lab.state()
    assert state.experiments[-1].champion == discarded.run
    assert hand(lab, "keep", run="999").status == "refused"
    assert hand(lab, "revert", run="1").status == "refused"


def test_a_message_is_carried_by_the_next_prompt_answered_and_obeyed(lab: Lab) -> None:
    experiments(lab.paths, 1)
    assert hand(lab, "say", text="try ALPHA=0.31").status == "queued"
    experiments(lab.paths, 1)
    state = lab.state()
    command = state.commands[state.messages[0]]
    assert command.status == "done" and "ALPHA" in command.answer
    assert state.experiments[-1].params["ALPHA"][1] == "0.31"


def test_a_pinned_file_changed_by_hand_opens_a_new_segment(lab: Lab) -> None:
    experiments(lab.paths, 2)
    (lab.root / "prepare.py").write_text("BUDGET = 2\n")
    experiments(lab.paths, 1)
    state = lab.state()
    assert len(state.segments) == 2 and "prepare.py" in state.segments[1].reason
    assert state.experiments[3].is_baseline and len(state.experiments) == 5
    assert len(publiclog.read_log(lab.paths.public_log).configs) == 2
    assert "session: " in lab.git("log", "--format=%s", "-3")


def test_an_edit_of_the_metric_opens_a_new_segment_and_a_bad_one_is_refused(lab: Lab) -> None:
    experiments(lab.paths, 1)
    refused = hand(lab, "edit", key="gate.kind", value="generous")
    assert refused.status == "refused" and "gate.kind" in refused.answer and "greedy" in refused.answer
    done = hand(lab, "edit", key="run.seed", value="5")
    assert done.status == "done" and "segment" in done.answer
    experiments(lab.paths, 1)
    assert len(lab.state().segments) == 2


def test_an_unfinished_edit_of_train_py_is_refused_and_dirty_goes_on_from_it(lab: Lab) -> None:
    experiments(lab.paths, 1)
    edited = (lab.root / "train.py").read_text().replace("BETA = ", "BETA = 0.59  # was ")
    (lab.root / "train.py").write_text(edited)
    with pytest.raises(LaunchRefused) as refused:
        experiments(lab.paths, 1)
    assert refused.value.code == 4 and "train.py" in str(refused.value) and "--dirty" in str(refused.value)
    assert (lab.root / "train.py").read_text() == edited
    experiments(lab.paths, 1, dirty=True)
    state = lab.state()
    assert len(state.segments) == 2 and "BETA = 0.59" in lab.git("show", f"{state.segments[1].commit}:train.py")


def test_a_second_engine_is_refused_and_told_who_holds_the_session(lab: Lab) -> None:
    lab.paths.checks.write_text("sleep 1000\n")
    first = lab.engine()
    try:
        lab.wait(lambda s: s.current is not None and s.current.checks == "running")
        with pytest.raises(LaunchRefused) as refused:
            experiments(lab.paths, 1)
        assert refused.value.code == 4 and str(first.pid) in str(refused.value)
    finally:
        first.terminate()
        first.communicate(timeout=60)


def test_a_baseline_without_a_metric_pauses_and_says_why(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark="echo nothing here\n")
    engine = lab.engine()
    try:
        state = lab.wait(lambda s: s.paused)
        assert state.experiments[0].status == "crash" and "val_bpb" in state.pause_reason
    finally:
        engine.terminate()
        engine.communicate(timeout=60)
    assert publiclog.read_log(lab.paths.public_log).results[0].metric == 0


def test_a_run_that_edits_what_is_pinned_is_not_believed_and_the_file_is_set_back(tmp_path: Path) -> None:
    cheat = BENCHMARK + 'if [ "$OVERNIGHT_RUN" != 1 ]; then echo "BUDGET = 99" > prepare.py; fi\n'
    lab = Lab(tmp_path / "toy", benchmark=cheat)
    experiments(lab.paths, 3)
    state = lab.state()
    assert len(state.segments) == 1
    assert all(e.status == "discard" and "pinned_changed" in e.flags for e in state.experiments[1:])
    assert (lab.root / "prepare.py").read_text() == "BUDGET = 1\n"


def test_failed_checks_discard_a_change_that_measured_well(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    lab.paths.checks.write_text('test "$OVERNIGHT_RUN" = 1 || { echo broken invariant; exit 3; }\n')
    experiments(lab.paths, 2)
    results = publiclog.read_log(lab.paths.public_log).results
    assert [r.status for r in results] == ["keep", "checks_failed", "checks_failed"]
    assert "broken invariant" in lab.state().experiments[1].reason


def test_a_benchmark_that_cannot_be_executed_any_more_ends_the_night_at_the_first_change(tmp_path: Path) -> None:
    program = tmp_path / "measure"
    program.write_text(f"#!/bin/bash\n{BENCHMARK}")
    program.chmod(0o755)
    lab = Lab(tmp_path / "toy", settings=f'[run]\ncommand = "{program}"\n')
    experiments(lab.paths, 1)
    program.unlink()
    with pytest.raises(LaunchRefused, match="champion itself fails"):
        experiments(lab.paths, 3)
    last = lab.state().experiments[-1]
    assert (last.run, [(t.of, t.cause) for t in last.trials]) == (
        3,
        [("candidate", "not_started"), ("champion", "not_started")],
    )


def test_a_crashed_change_is_not_checked_when_the_champion_was_asked_and_still_runs(tmp_path: Path) -> None:
    fails = 'test "$OVERNIGHT_RUN" = 1 || grep -q "^ALPHA = 0.9 .*" train.py && grep -q "^BETA = 0.1 " train.py'
    lab = Lab(tmp_path / "toy", benchmark=f"if ! {{ {fails}; }}; then echo ENOSPC; exit 1; fi\n{BENCHMARK}")
    lab.paths.checks.write_text("exit 0\n")
    experiments(lab.paths, 1)
    baseline, crashed = lab.state().experiments
    assert [(t.of, t.outcome) for t in crashed.trials] == [("candidate", "crash"), ("champion", "ok")]
    assert (baseline.checks, crashed.checks) == ("passed", "")


def test_the_confirm_gate_runs_pairs_under_fresh_seeds_before_it_keeps(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", settings='[gate]\nkind = "confirm"\npairs = 2\njump = 0\n')
    experiments(lab.paths, 8)
    state = lab.state()
    kept = [e for e in state.experiments if e.status == "keep" and not e.is_baseline]
    assert kept
    for experiment in kept:
        assert [t.of for t in experiment.trials] == ["candidate", "champion", "candidate", "champion", "candidate"]
        assert len({t.seed for t in experiment.trials}) == 3
    champion = state.champion
    assert champion is not None
    assert (lab.root / "train.py").read_text() == lab.git("show", f"{champion.commit}:train.py")


def test_commands_reach_a_running_engine(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || sleep 1000\n')
    engine = lab.engine()
    try:
        lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
        stale = inbox.request("abort", {}, "tester", inbox.Seen(run=1))
        assert byhand.send(lab.paths, stale).status == "refused"
        assert hand(lab, "pause").answer == "pauses after run 2"
        assert byhand.send(lab.paths, inbox.request("abort", {}, "tester", inbox.Seen(run=2))).status == "done"
        state = lab.wait(lambda s: s.current is None and s.experiments[1].phase == "ended")
        assert state.experiments[1].status == "crash" and "aborted" in state.experiments[1].flags
        assert state.paused
        assert hand(lab, "stop").status == "done"
        assert engine.wait(timeout=60) == 0
    finally:
        engine.kill()
        engine.communicate(timeout=60)
    state = lab.state()
    assert state.engine is not None and state.engine.stop_reason == "asked by tester"
    assert hand(lab, "stop").status == "refused"


def test_a_signal_ends_the_engine_in_order(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" = 1 || sleep 1000\n')
    engine = lab.engine()
    lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(timeout=60) == 0
    engine.communicate()
    state = lab.state()
    assert state.current is None and "interrupted" in state.experiments[1].flags
    assert state.engine is not None and "SIGTERM" in state.engine.stop_reason
    assert lab.git("status", "--porcelain", "train.py") == ""


def test_the_document_keeps_what_a_person_wrote(lab: Lab) -> None:
    lab.paths.document.write_text("# mine\n\nremember the milk\n")
    experiments(lab.paths, 2)
    text = lab.paths.document.read_text()
    assert text.startswith("# mine\n\nremember the milk\n") and "## Champion" in text and "## Learnt" in text
    experiments(lab.paths, 1)
    assert "autoresearch.md" in lab.git("ls-files")


def test_the_public_log_is_completed_from_the_journal(lab: Lab) -> None:
    experiments(lab.paths, 2)
    whole = lab.public()
    lab.paths.public_log.write_text("\n".join(whole[:2]) + "\n" + whole[2][:20])
    experiments(lab.paths, 1)
    assert lab.public()[: len(whole)] == whole
    assert all(msgspec.json.decode(line) for line in lab.public())


def test_a_broken_machine_pauses_the_loop_once_the_champion_fails_too(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark=BENCHMARK + 'test "$OVERNIGHT_RUN" -lt 3 || exit 1\n')
    with pytest.raises(LaunchRefused, match="champion itself fails"):
        experiments(lab.paths, 50)
    state = lab.state()
    assert len(state.experiments) == 7 and "champion_failed" in state.experiments[-1].flags
    assert [t.of for t in state.experiments[-1].trials] == ["candidate", "champion"]
    assert lab.git("status", "--porcelain", "train.py") == ""


def test_what_a_failing_machine_ended_is_tried_again_once_it_is_mended(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    check = f"if test -e {broken}; then echo 'No space left on device'; exit 1; fi\n"
    lab = Lab(tmp_path / "toy", benchmark=check + BENCHMARK)
    experiments(lab.paths, 1)
    broken.touch()
    with pytest.raises(LaunchRefused, match="champion itself fails"):
        experiments(lab.paths, 3)
    broken.unlink()
    hand(lab, "resume")
    experiments(lab.paths, 1)
    failed, again = lab.state().experiments[-2:]
    assert failed.params == again.params and (failed.status, again.trials[0].outcome) == ("crash", "ok")


def test_crashes_of_the_changes_alone_do_not_stop_the_night(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", benchmark='grep -q "ALPHA = 0.9 " train.py || exit 1\n' + BENCHMARK)
    (lab.root / "search_space.toml").write_text('[ALPHA]\nkind = "float"\nlow = 0.0\nhigh = 0.8\nfamily = "first"\n')
    lab.git("commit", "-qam", "a space in which all crash")
    experiments(lab.paths, 7)
    assert [e.status for e in lab.state().experiments] == ["keep"] + ["crash"] * 7


def test_a_commit_of_train_py_by_hand_while_a_run_is_on_stays_and_opens_a_segment(tmp_path: Path) -> None:
    slow = BENCHMARK + 'test "$OVERNIGHT_RUN" != 2 || while [ ! -e go ]; do sleep 0.02; done\n'
    lab = Lab(tmp_path / "toy", benchmark=slow)
    go = lab.root / "go"
    engine = lab.engine()
    try:
        lab.wait(lambda s: s.current is not None and s.current.run == 2 and s.current.trials)
        mine = "ALPHA = 0.5  # by hand\nBETA = 0.5\n"
        (lab.root / "train.py").write_text(mine)
        lab.git("commit", "-qam", "my own idea")
        go.touch()
        state = lab.wait(lambda s: len(s.segments) == 2 and s.champion is not None)
    finally:
        engine.terminate()
        engine.communicate(timeout=60)
    assert state.experiments[1].status == "discard" and "base_withdrawn" in state.experiments[1].flags
    assert lab.git("show", f"{state.segments[1].commit}:train.py") == mine
    assert any("by hand while a run was on" in text for _, text in state.troubles)


def test_a_restoration_cut_short_by_a_kill_is_not_taken_for_an_edit(lab: Lab) -> None:
    experiments(lab.paths, 8)
    line = lab.state().segments[-1].line
    assert len(line) > 1
    before = lab.git("show", f"{lab.state().experiments[line[-2] - 1].commit}:train.py")
    (lab.root / "train.py").write_text(before)  # what a revert writes first
    experiments(lab.paths, 1)
    assert lab.state().experiments[-1].champion == line[-1]


def test_an_exhausted_daemon_pauses_and_goes_on_with_a_wider_space(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy")
    narrow = '[ALPHA]\nkind = "choice"\nvalues = [0.9, 0.5]\nfamily = "first"\n'
    (lab.root / "search_space.toml").write_text(narrow)
    lab.git("commit", "-qam", "a narrow space")
    engine = lab.engine()
    try:
        state = lab.wait(lambda s: s.paused and s.current is None)
        assert "nothing left to try" in state.pause_reason
        (lab.root / "search_space.toml").write_text(narrow.replace("0.5]", "0.5, 0.3]"))
        assert hand(lab, "resume").status == "done"
        lab.wait(lambda s: any(e.params.get("ALPHA", ("", ""))[1] == "0.3" for e in s.experiments))
    finally:
        engine.terminate()
        engine.communicate(timeout=60)


def test_a_limit_of_the_settings_pauses_a_daemon_and_counts_anew_after_a_resume(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "toy", settings="[limits]\nexperiments = 2\n\n[gate]\njump = 0\n")
    engine = lab.engine()
    try:
        assert "2 experiments" in lab.wait(lambda s: s.paused).pause_reason
        assert hand(lab, "edit", key="limits.experiments", value="3").status in ("done", "queued")
        hand(lab, "resume")
        lab.wait(lambda s: s.paused and s.ended == 5)
    finally:
        engine.terminate()
        engine.communicate(timeout=60)


def test_another_branch_is_refused_and_told(lab: Lab) -> None:
    experiments(lab.paths, 1)
    lab.git("switch", "-q", "-c", "mine")
    with pytest.raises(LaunchRefused, match="switch autoresearch/toy") as refused:
        experiments(lab.paths, 1)
    assert refused.value.code == 4
