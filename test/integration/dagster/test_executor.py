"""The promises of Dagster's own executors, kept by the threaded one."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

RETRY = dg.DagsterEventType.STEP_UP_FOR_RETRY
SKIPPED = dg.DagsterEventType.STEP_SKIPPED
SUCCESS = dg.DagsterRunStatus.SUCCESS
FAILURE = dg.DagsterRunStatus.FAILURE


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the ops of the test wrote down, in order."""
    path = tmp_path / "marks"
    path.touch()
    monkeypatch.setenv("MARKS", str(path))
    return lambda: path.read_text().splitlines()


@pytest.fixture
def fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose existence lets a step succeed."""
    path = tmp_path / "fixed"
    monkeypatch.setenv("FIXED", str(path))
    return path


def most_at_once(lines: list[str]) -> dict[str, int]:
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for line in lines:
        direction, name = line.split()
        now[name] += 1 if direction == "in" else -1
        most[name] = max(most[name], now[name])
    return dict(most)


def config(**options: Any) -> dict[str, Any]:
    return {"run_config": {"execution": {"config": options}}}


def test_a_failed_step_fails_the_run_and_what_depends_on_it_does_not_run(dagster: Any, fixed: Path) -> None:
    run = dagster.job("chain")
    assert run.status == FAILURE
    assert run.succeeded == ["one"]
    assert run.failed == ["fails_unless_fixed"]
    assert run.steps(dg.DagsterEventType.STEP_START) == ["fails_unless_fixed", "one"]


def test_reexecution_from_failure_runs_only_what_did_not_succeed(dagster: Any, fixed: Path) -> None:
    parent = dagster.job("chain")
    fixed.touch()
    run = dagster.job("chain", **dagster.failed_again(parent))
    assert run.status == SUCCESS
    assert run.succeeded == ["after", "fails_unless_fixed"]


def test_reexecution_of_all_steps_runs_all_steps(dagster: Any, fixed: Path) -> None:
    parent = dagster.job("chain")
    fixed.touch()
    assert dagster.job("chain", **dagster.all_again(parent)).succeeded == ["after", "fails_unless_fixed", "one"]


def test_reexecution_of_selected_steps_runs_only_those(dagster: Any, fixed: Path) -> None:
    fixed.touch()
    parent = dagster.job("chain")
    assert dagster.job("chain", **dagster.some_again(parent, "after")).succeeded == ["after"]


def test_a_step_is_retried_as_its_policy_says_and_after_its_delay(dagster: Any, marks: Any) -> None:
    run = dagster.job("retries")
    assert run.succeeded == ["asks_for_retry", "succeeds_at_third"]
    assert run.failed == ["never_succeeds"]
    assert run.steps(RETRY) == ["asks_for_retry", "never_succeeds", "succeeds_at_third", "succeeds_at_third"]
    attempts = [line.split() for line in marks()]
    assert [attempt for attempt, _ in attempts] == ["0", "1", "2"]
    starts = [float(start) for _, start in attempts]
    assert all(later - earlier >= 0.3 for earlier, later in pairwise(starts))


def test_a_retry_without_delay_waits_for_the_end_of_the_attempt_before(dagster: Any) -> None:
    run = dagster.job("retries_at_once")
    assert run.status == SUCCESS
    assert len(run.steps(RETRY)) == 5 * 3


def test_retries_can_be_switched_off(dagster: Any, marks: Any) -> None:
    run = dagster.job("retries", **config(retries={"disabled": {}}))
    assert run.failed == ["asks_for_retry", "never_succeeds", "succeeds_at_third"]
    assert run.steps(RETRY) == []


def test_hooks_run_after_their_step_and_know_its_error(dagster: Any, marks: Any) -> None:
    run = dagster.job("hooks")
    assert sorted(marks()) == ["failure raises ValueError", "success one"]
    assert run.steps(dg.DagsterEventType.HOOK_COMPLETED) == ["one", "raises"]
    assert run.steps(dg.DagsterEventType.HOOK_SKIPPED) == ["one", "raises"]


def test_a_broken_hook_does_not_fail_the_run(dagster: Any) -> None:
    run = dagster.job("broken_hook")
    assert run.status == SUCCESS
    assert run.steps(dg.DagsterEventType.HOOK_ERRORED) == ["one"]


def test_steps_behind_an_output_that_did_not_come_are_skipped(dagster: Any) -> None:
    run = dagster.job("skips")
    assert run.status == SUCCESS
    assert run.succeeded == ["branch", "on_taken"]
    assert run.steps(SKIPPED) == ["after_left", "on_left"]


def test_dynamic_outputs_are_mapped_and_collected(dagster: Any) -> None:
    run = dagster.job("dynamic")
    assert run.succeeded == ["after[0]", "after[1]", "after[2]", "fan_out", "gather"]


def test_ready_steps_run_together(dagster: Any, marks: Any) -> None:
    assert dagster.job("wide").status == SUCCESS
    assert most_at_once(marks())["wide"] > 1


def test_no_more_steps_run_together_than_the_limit(dagster: Any, marks: Any) -> None:
    assert dagster.job("wide", **config(max_concurrent=2)).status == SUCCESS
    assert most_at_once(marks()) == {"wide": 2}


def test_steps_with_the_same_exclusive_tag_run_one_at_a_time_beside_others(dagster: Any, marks: Any) -> None:
    assert dagster.job("exclusive").status == SUCCESS
    most = most_at_once(marks())
    assert most["a"] == 1
    assert most["b"] == 1
    assert most["free"] > 1


def test_tag_limits_of_the_run_config_hold(dagster: Any, marks: Any) -> None:
    limits = [{"key": "database", "value": "tiny", "limit": 2}]
    assert dagster.job("tagged", **config(tag_concurrency_limits=limits)).status == SUCCESS
    assert most_at_once(marks()) == {"tagged": 2}


def test_instance_pools_hold_and_are_given_back(dagster: Any, marks: Any) -> None:
    storage = dagster.instance.event_log_storage
    storage.set_concurrency_slots("one_at_a_time", 1)
    assert dagster.job("pooled").status == SUCCESS
    assert most_at_once(marks()) == {"pooled": 1}
    assert storage.get_concurrency_info("one_at_a_time").active_slot_count == 0


def test_higher_priorities_start_first(dagster: Any, marks: Any) -> None:
    dagster.job("priorities", **config(max_concurrent=1))
    assert marks() == ["high", "middle", "low"]


def test_asynchronous_steps_run_together(dagster: Any) -> None:
    assert dagster.job("asynchronous").succeeded == ["awaits_0", "awaits_1", "awaits_2"]


def test_a_resource_that_cannot_start_fails_the_run(dagster: Any) -> None:
    run = dagster.job("without_resource")
    assert run.status == FAILURE
    assert run.steps(dg.DagsterEventType.STEP_START) == []
    assert "no such database" in run.messages


def test_errors_are_raised_when_asked_for(dagster: Any, marks: Any) -> None:
    with pytest.raises(ValueError, match="no"):
        dagster.job("hooks", raise_on_error=True)


def test_what_a_python_step_prints_is_in_its_own_raw_log(dagster: Any) -> None:
    run = dagster.job("printing")
    for number in range(3):
        stdout, _ = run.raw_log(f"prints_{number}")
        assert stdout.splitlines() == [f"prints_{number} line {line}" for line in range(20)]
