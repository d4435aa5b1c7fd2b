"""What the runtime is told about a step beyond the Pipes context."""

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest

UP_FOR_RETRY = dg.DagsterEventType.STEP_UP_FOR_RETRY


def extras(run: Any, asset: str) -> dict[str, Any]:
    return run.metadata(asset)["extras"]


def test_a_first_run_is_its_own_root_and_resumes_nothing(dagster: Any) -> None:
    run = dagster.assets("after_plain")
    told = extras(run, "after_plain")
    assert told["root_run_id"] == run.run_id
    assert told["resume"] is False
    assert told["watchdog"] is True
    assert [told[name] for name in ("partition_keys", "partition_key_range", "partition_time_window")] == [None] * 3


def test_only_runs_that_dagster_shows_as_unfinished_are_open(dagster: Any) -> None:
    finished = dagster.assets("after_plain")
    started = dagster.instance.create_run_for_job(
        dg.GraphDefinition(name="empty").to_job(),  # pyright: ignore[reportUnknownMemberType]
        status=dg.DagsterRunStatus.STARTED,
    )
    try:
        run = dagster.assets("after_plain")
        open_run_ids = extras(run, "after_plain")["open_run_ids"]
        assert {run.run_id, started.run_id} <= set(open_run_ids)
        assert finished.run_id not in open_run_ids
    finally:
        dagster.instance.delete_run(started.run_id)


def test_a_retry_may_resume(dagster: Any) -> None:
    run = dagster.assets("fails_once")
    assert run.steps(UP_FOR_RETRY) == ["bodies__fails_once"]
    assert extras(run, "fails_once")["resume"] is True


def test_a_reexecution_from_failure_may_resume_what_the_root_run_did_not_report(dagster: Any) -> None:
    parent = dagster.assets("fails_in_first_run", "after_first_run", "plain")
    assert parent.materialized == ["plain"]
    run = dagster.assets("fails_in_first_run", "after_first_run", "plain", **dagster.failed_again(parent))
    assert run.materialized == ["after_first_run", "fails_in_first_run"]
    told = extras(run, "fails_in_first_run")
    assert told["resume"] is True
    assert told["root_run_id"] == parent.run_id


def test_a_reexecution_of_what_the_root_run_reported_computes_it_again(dagster: Any) -> None:
    parent = dagster.assets("after_plain")
    run = dagster.assets("after_plain", **dagster.all_again(parent))
    assert extras(run, "after_plain") | {"open_run_ids": []} == {
        "root_run_id": parent.run_id,
        "resume": False,
        "open_run_ids": [],
        "partition_keys": None,
        "partition_key_range": None,
        "partition_time_window": None,
        "partition_windows": None,
        "partition_values": None,
        "full_refresh": False,
        "replay": False,
        "checks_only": None,
        "restore": [],
        "upstream": None,
        "watchdog": True,
    }


def day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("tags", "keys", "window"),
    [
        ({"dagster/partition": "2017-03-04"}, ["2017-03-04"], ("2017-03-04", "2017-03-05")),
        (
            {
                "dagster/asset_partition_range_start": "2017-03-30",
                "dagster/asset_partition_range_end": "2017-04-01",
            },
            ["2017-03-30", "2017-03-31", "2017-04-01"],
            ("2017-03-30", "2017-04-02"),
        ),
    ],
    ids=["one partition", "a range"],
)
def test_partitions_are_told_as_keys_range_and_window(
    dagster: Any, tags: dict[str, str], keys: list[str], window: tuple[str, str]
) -> None:
    run = dagster.assets("by_day", tags=tags)
    told = extras(run, "by_day")
    assert told["partition_keys"] == keys
    assert told["partition_key_range"] == {"start": keys[0], "end": keys[-1]}
    start, end = (f"{day}T00:00:00+00:00" for day in window)
    assert told["partition_time_window"] == {"start": start, "end": end}
    assert told["partition_windows"] == [
        {"start": f"{key}T00:00:00+00:00", "end": f"{day_after(key)}T00:00:00+00:00"} for key in keys
    ]


def test_static_partitions_have_keys_and_no_window(dagster: Any) -> None:
    run = dagster.assets("by_kind", tags={"dagster/partition": "b"})
    told = extras(run, "by_kind")
    assert (told["partition_keys"], told["partition_values"]) == (["b"], ["b"])
    assert told["partition_time_window"] is None


def test_an_asset_without_partitions_is_told_none_in_a_run_that_has_them(dagster: Any) -> None:
    run = dagster.assets("after_plain", tags={"dagster/partition": "2017-03-04"})
    assert extras(run, "after_plain")["partition_keys"] is None


def test_a_resume_asks_for_the_same_partition(dagster: Any) -> None:
    parent = dagster.assets("by_day", tags={"dagster/partition": "2017-05-01"})
    again = dagster.assets("by_day", tags={"dagster/partition": "2017-05-01"}, **dagster.all_again(parent))
    assert extras(again, "by_day")["resume"] is False


def test_a_full_refresh_is_asked_for_in_the_launchpad(dagster: Any) -> None:
    config = {"ops": {"bodies__plain": {"config": {"full_refresh": True}}}}
    assert extras(dagster.assets("plain", run_config=config), "plain")["full_refresh"] is True
    assert extras(dagster.assets("plain"), "plain")["full_refresh"] is False


def test_a_replay_is_asked_for_in_the_launchpad(dagster: Any) -> None:
    config = {"ops": {"bodies__plain": {"config": {"replay": True}}}}
    assert extras(dagster.assets("plain", run_config=config), "plain")["replay"] is True
    with pytest.raises(dg.DagsterInvalidConfigError):
        dagster.assets("after_plain", run_config={"ops": {"bodies__after_plain": {"config": {"replay": True}}}})


def test_an_asset_whose_runs_add_nothing_takes_no_full_refresh(dagster: Any) -> None:
    config = {"ops": {"bodies__after_plain": {"config": {"full_refresh": True}}}}
    with pytest.raises(dg.DagsterInvalidConfigError):
        dagster.assets("after_plain", run_config=config)


def test_what_an_archive_brings_back_is_asked_for_in_the_launchpad(dagster: Any) -> None:
    asked = ["2017-01-01", "2017-02-01...2017-02-28"]
    config = {"ops": {"bodies__archived": {"config": {"restore": asked}}}}
    assert extras(dagster.assets("archived", run_config=config), "archived")["restore"] == asked
    assert extras(dagster.assets("archived"), "archived")["restore"] == []
    with pytest.raises(dg.DagsterInvalidConfigError):
        dagster.assets("plain", run_config={"ops": {"bodies__plain": {"config": {"restore": asked}}}})
