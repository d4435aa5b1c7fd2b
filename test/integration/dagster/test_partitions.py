"""What Dagster records of each partition of a run."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownVariableType=false

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from dagster._check import CheckError
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey

RANGE = {"dagster/asset_partition_range_start": "2017-03-30", "dagster/asset_partition_range_end": "2017-04-01"}
DAYS = ["2017-03-30", "2017-03-31", "2017-04-01"]
BY_DAY = dg.AssetKey(["bodies", "by_day"])


def latest(dagster: Any, day: str) -> dg.AssetMaterialization:
    records = dagster.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=BY_DAY, asset_partitions=[day]), limit=1
    ).records
    return records[0].asset_materialization


def test_each_partition_of_a_range_has_its_own_row_count_and_data_version(dagster: Any) -> None:
    run = dagster.assets("by_day", tags=RANGE)
    assert run.status == dg.DagsterRunStatus.SUCCESS
    for index, day in enumerate(DAYS):
        event = latest(dagster, day)
        assert event.partition == day
        assert event.metadata["dagster/partition_row_count"].value == index
        assert (event.tags or {})["dagster/data_version"] == f"version of {day}"
        assert (event.tags or {})["dagster/code_version"] == "1"
        # What the run reported is on every partition.
        assert "extras" in event.metadata
    # Each once: Dagster's own, which say the same of all, are not there.
    assert [event.partition for event in run.events(dg.DagsterEventType.ASSET_MATERIALIZATION)] == DAYS


def test_each_partition_of_a_range_has_its_own_verdicts(dagster: Any) -> None:
    run = dagster.assets("by_day", tags=RANGE)
    found = {
        evaluation.partition: evaluation.passed
        for event in run.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if (evaluation := event.asset_check_evaluation_data) and evaluation.partition is not None
    }
    assert found == {DAYS[0]: True, DAYS[1]: False, DAYS[2]: True}


def test_a_run_of_one_partition_has_one_event_and_one_verdict_of_that_partition(dagster: Any) -> None:
    run = dagster.assets("by_day", tags={"dagster/partition": "2017-03-04"})
    assert [event.partition for event in run.events(dg.DagsterEventType.ASSET_MATERIALIZATION)] == ["2017-03-04"]
    [evaluation] = run.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert evaluation.asset_check_evaluation_data.partition == "2017-03-04"


def test_a_step_that_leaves_a_partition_unreported_fails(dagster: Any) -> None:
    run = dagster.assets("forgets_a_day", tags=RANGE)
    assert "It did not report: 1 of its 3 partitions." in run.failure("bodies__forgets_a_day")
    assert run.materialized == []


def test_a_partition_that_fails_alone_leaves_the_others_recorded_and_fails_the_step(dagster: Any) -> None:
    run = dagster.assets("some_days", tags=RANGE)
    assert run.failed == ["bodies__some_days"]
    assert [event.partition for event in run.events(dg.DagsterEventType.ASSET_MATERIALIZATION)] == [DAYS[0], DAYS[2]]
    message = run.failure("bodies__some_days")
    assert "1 of 3 partitions of bodies/some_days were not published" in message
    assert "2017-03-31: Error: the till is on fire" in message


def test_a_reexecution_of_partitions_that_fail_alone_resumes(dagster: Any) -> None:
    parent = dagster.assets("some_days", tags=RANGE)
    assert parent.metadata("some_days")["extras"]["resume"] is False
    again = dagster.assets("some_days", tags=RANGE, **dagster.all_again(parent))
    assert again.metadata("some_days")["extras"]["resume"] is True


TODAY = datetime.now(timezone.utc).date()
NO_PARTITIONS = [
    "1999-01-01",
    "2999-01-01",
    "2017-02-30",
    "2017-03-30'; DROP TABLE bodies.by_day; --",
    "../../2017-03-30\n",
    "2017-03-30...2017-04-01",
    "",
    "ü" * 1_000,
    ("2017-04-01", "2017-03-30"),
    # Dagster itself plans each partition of the range: a long one takes it minutes.
    ("2016-12-30", "2017-01-02"),
    (str(TODAY - timedelta(2)), str(TODAY + timedelta(2))),
    ("x", "y"),
]


@pytest.mark.parametrize("partitions", NO_PARTITIONS, ids=str)
def test_a_run_of_partitions_that_do_not_exist_computes_nothing(
    dagster: Any, partitions: str | tuple[str, str]
) -> None:
    def count() -> int:
        return len(dagster.instance.fetch_materializations(BY_DAY, limit=1_000).records)

    tags = (
        {"dagster/partition": partitions} if isinstance(partitions, str) else dict(zip(RANGE, partitions, strict=True))
    )
    before = count()
    try:
        run = dagster.assets("by_day", tags=tags)
    except (dg.DagsterError, CheckError, ValueError):
        # Dagster itself refuses what is no time at all.
        pass
    else:
        assert run.failed == ["bodies__by_day"]
        message = run.failure("bodies__by_day")
        assert "no partition of bodies/by_day" in message or "end before they begin" in message
    assert count() == before


BY_CELL = dg.AssetKey(["bodies", "by_cell"])
CELLS = ["2017-03-30|berlin", "2017-03-30|o'hare", "2017-03-31|berlin", "2017-03-31|o'hare"]
RECTANGLE = {
    "dagster/asset_partition_range_start": CELLS[0],
    "dagster/asset_partition_range_end": CELLS[-1],
}


def test_a_run_of_a_rectangle_is_told_the_window_and_the_key_of_each_cell(dagster: Any) -> None:
    told = dagster.assets("by_cell", tags=RECTANGLE).metadata("by_cell")["extras"]
    assert told["partition_keys"] == CELLS
    assert told["partition_values"] == ["berlin", "o'hare"] * 2
    days = [f"2017-{day}T00:00:00+00:00" for day in ("03-30", "03-31", "04-01")]
    first, second = ({"start": start, "end": end} for start, end in pairwise(days))
    assert told["partition_windows"] == [first, first, second, second]
    assert told["partition_time_window"] == {"start": days[0], "end": days[2]}


def test_each_cell_of_a_rectangle_has_its_own_row_count_version_and_verdict(dagster: Any) -> None:
    run = dagster.assets("by_cell", tags=RECTANGLE)
    for index, cell in enumerate(CELLS):
        [record] = dagster.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=BY_CELL, asset_partitions=[cell]), limit=1
        ).records
        event = record.asset_materialization
        assert event.metadata["dagster/partition_row_count"].value == index
        assert event.tags["dagster/data_version"] == f"version of {cell}"
        # By which Dagster knows what is materialized.
        day, store = cell.split("|")
        assert (event.tags["dagster/partition/time"], event.tags["dagster/partition/value"]) == (day, store)
    verdicts = {
        evaluation.partition: evaluation.passed
        for event in run.events(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if (evaluation := event.asset_check_evaluation_data) and evaluation.partition is not None
    }
    assert verdicts == {cell: index != 1 for index, cell in enumerate(CELLS)}
    assert set(CELLS) <= dagster.instance.get_materialized_partitions(BY_CELL)


def test_a_run_of_one_cell_is_of_that_cell(dagster: Any) -> None:
    run = dagster.assets("by_cell", tags={"dagster/partition": "2017-03-04|röm=1"})
    told = run.metadata("by_cell")["extras"]
    assert (told["partition_keys"], told["partition_values"]) == (["2017-03-04|röm=1"], ["röm=1"])
    assert [event.partition for event in run.events(dg.DagsterEventType.ASSET_MATERIALIZATION)] == ["2017-03-04|röm=1"]


def test_cells_of_a_list_that_grows_are_told_as_it_is_now(dagster: Any) -> None:
    dagster.instance.add_dynamic_partitions("new_stores", ["oslo", "bergen"])
    tags = {
        "dagster/asset_partition_range_start": "2017-03-04|oslo",
        "dagster/asset_partition_range_end": "2017-03-05|bergen",
    }
    told = dagster.assets("by_new_cell", tags=tags).metadata("by_new_cell")["extras"]
    assert told["partition_keys"] == [f"2017-03-0{day}|{store}" for day in (4, 5) for store in ("oslo", "bergen")]
    assert told["partition_values"] == ["oslo", "bergen"] * 2


def test_dagsters_own_backfills_and_automation_ask_for_rectangles_of_the_cells_that_they_want(dagster: Any) -> None:
    graph = dagster.repository().get_definition().asset_graph
    corner = {CELLS[0], CELLS[1], CELLS[2]}
    requests = build_run_requests_with_backfill_policies(
        [AssetKeyPartitionKey(BY_CELL, cell) for cell in corner], graph, dagster.instance
    )
    asked: list[str] = []
    for request in requests:
        told = dagster.assets("by_cell", tags=request.tags).metadata("by_cell")["extras"]
        asked.extend(told["partition_keys"])
    assert sorted(asked) == sorted(corner)
