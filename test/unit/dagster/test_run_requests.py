"""What a tick asks for by hostile partitions is refused, before Dagster hears of it."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import dagster as dg
import pytest

from dagster_project.run_requests import Targets, run_requests
from dagster_project.tick import TickError, TickRange, TickResult, TickRun

ASSETS = {
    "hourly": dg.HourlyPartitionsDefinition("2017-01-01-00:00", "2017-02-01-00:00", timezone="Europe/Berlin"),
    "daily": dg.DailyPartitionsDefinition("2017-01-01", end_date="2017-02-01"),
    "monthly": dg.MonthlyPartitionsDefinition("2017-01-01", end_date="2017-06-01"),
    "static": dg.StaticPartitionsDefinition(["a", "b"]),
    "dynamic": dg.DynamicPartitionsDefinition(name="stores"),
}
HOSTILE = [
    "2016-12-31",
    "2017-02-01",
    "2017-01-01T00:00:00",
    "2017-02-30",
    "2017-01-02'; DROP TABLE x; --",
    "2017-01-02\n",
    " 2017-01-02",
    "2017-1-2",
    "../x",
    "2017-01-01...2017-01-02",
    "a,b",
    "A",
    "",
    "ü" * 10_000,
]


def targets(partitions: dg.PartitionsDefinition[str]) -> Targets:
    @dg.asset(name="x", partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def asset() -> None:
        pass

    return Targets({"shop/x": asset.key}, {asset.key: asset})


def tick(keys: tuple[str, ...] | None = None, ends: tuple[str, str] | None = None) -> TickResult:
    run = TickRun("key", ("shop/x",), keys, None if ends is None else TickRange(*ends), {}, {})
    return TickResult((run,), None, None, (), ())


@pytest.mark.parametrize("kind", ASSETS)
def test_a_tick_cannot_ask_for_a_partition_that_does_not_exist(kind: str) -> None:
    assets = targets(ASSETS[kind])
    instance = dg.DagsterInstance.ephemeral()
    good = {
        "hourly": "2017-01-01-00:00",
        "daily": "2017-01-01",
        "monthly": "2017-01-01",
        "static": "a",
        "dynamic": "a",
    }[kind]
    instance.add_dynamic_partitions("stores", ["a"])
    assert len(run_requests(tick((good,)), assets, {}, instance)) == 1
    for key in HOSTILE:
        if kind == "monthly" and key == "2017-02-01":
            continue
        for bad in (tick((good, key)), tick(ends=(good, key)), tick(ends=(key, good))):
            with pytest.raises(TickError, match="is no partition of shop/x"):
                run_requests(bad, assets, {}, instance)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(TickError, match="is before"):
        run_requests(
            tick(ends=("2017-01-05", "2017-01-01")), targets(ASSETS["daily"]), {}, dg.DagsterInstance.ephemeral()
        )
