"""What Dagster records when the checks of an asset are executed without the asset."""

from typing import Any

import dagster as dg
import pytest

RANGE = {"dagster/asset_partition_range_start": "2017-03-30", "dagster/asset_partition_range_end": "2017-04-01"}


def verdicts(run: Any) -> dict[tuple[str, str | None], bool]:
    found = [event.asset_check_evaluation_data for event in run.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)]
    return {(check.check_name, check.partition): check.passed for check in found}


def test_a_check_alone_has_a_verdict_and_no_materialization(dagster: Any) -> None:
    run = dagster.checks("plain.unique_id")
    assert run.status == dg.DagsterRunStatus.SUCCESS, run.messages
    assert run.materialized == []
    assert verdicts(run) == {("unique_id", None): True}
    assert run.succeeded == ["bodies__plain"]


def test_a_blocking_check_that_fails_alone_fails_its_run_once(dagster: Any) -> None:
    run = dagster.checks("refused.unique_id")
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert list(verdicts(run).values()) == [False]
    assert len(run.events(dg.DagsterEventType.STEP_START)) == 1
    assert run.materialized == []


def test_checks_alone_are_of_the_partitions_that_were_chosen(dagster: Any) -> None:
    one = dagster.checks("by_day.unique_id", tags={"dagster/partition": "2017-03-04"})
    assert verdicts(one) == {("unique_id", "2017-03-04"): True}
    some = dagster.checks("by_day.unique_id", tags=RANGE)
    of_days = {partition: passed for (_, partition), passed in verdicts(some).items() if partition is not None}
    assert of_days == {"2017-03-30": True, "2017-03-31": False, "2017-04-01": True}
    assert some.materialized == []


def test_checks_alone_of_a_rectangle_have_a_verdict_for_each_cell(dagster: Any) -> None:
    tags = {
        "dagster/asset_partition_range_start": "2017-03-30|berlin",
        "dagster/asset_partition_range_end": "2017-03-31|o'hare",
    }
    run = dagster.checks("by_cell.unique_id", tags=tags)
    of_cells = {partition: passed for (_, partition), passed in verdicts(run).items() if partition is not None}
    assert of_cells == {
        "2017-03-30|berlin": True,
        "2017-03-30|o'hare": False,
        "2017-03-31|berlin": True,
        "2017-03-31|o'hare": True,
    }
    assert run.materialized == []


def test_checks_alone_of_partitions_that_do_not_exist_look_at_nothing(dagster: Any) -> None:
    run = dagster.checks("by_day.unique_id", tags={"dagster/partition": "1999-01-01"})
    assert verdicts(run) == {}
    assert "'1999-01-01' is no partition of bodies/by_day" in run.failure("bodies__by_day")


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ("missing_check.unique_id", "a materialization, although nothing was published"),
    ],
)
def test_a_step_of_checks_that_reports_more_fails(dagster: Any, check: str, reason: str) -> None:
    run = dagster.checks(check)
    assert reason in run.failure(f"bodies__{check.split('.')[0]}")


def test_an_asset_without_its_checks_obeys_them_and_shows_no_verdict(dagster: Any) -> None:
    run = dagster.without_checks("plain")
    assert run.status == dg.DagsterRunStatus.SUCCESS, run.messages
    assert (run.materialized, verdicts(run)) == (["plain"], {})
    refused = dagster.without_checks("refused")
    assert (refused.materialized, verdicts(refused)) == ([], {})
    assert "bodies/refused was not published" in refused.failure("bodies__refused")
