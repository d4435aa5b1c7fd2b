"""The component in a location that keeps one of Dagster's own executors."""

from typing import Any

import dagster as dg
import pytest


@pytest.mark.parametrize("location", ["multiprocess", "in_process"])
def test_steps_publish_fail_and_leave_raw_logs_under_dagsters_executors(dagster: Any, location: str) -> None:
    run = dagster.assets("plain", "throws", "after_throws", location=location)
    assert run.materialized == ["plain"]
    assert run.failed == ["bodies__throws"]
    assert "the till is on fire" in run.failure("bodies__throws")
    assert "bodies__after_throws" not in run.steps(dg.DagsterEventType.STEP_START)
    stdout, stderr = run.raw_log("bodies__plain")
    assert "stdout of bodies/plain\n" in stdout
    assert "stderr of bodies/plain\n" in stderr
