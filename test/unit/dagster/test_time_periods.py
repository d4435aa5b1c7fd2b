"""The partitions of time that TypeScript reckons with are those of Dagster."""

import json
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

ROOT = Path(__file__).parents[3]
KINDS = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}
# Clocks change at midnight in some, by half-hours from UTC in others.
ZONES = (
    ("UTC", "2017-10-01"),
    ("America/New_York", "2017-10-20"),
    ("Europe/Berlin", "2017-03-20"),
    ("Asia/Kolkata", "2017-10-01"),
    ("America/Sao_Paulo", "2017-10-01"),
    ("America/Havana", "2017-10-25"),
    ("Asia/Beirut", "2017-03-20"),
)
PROGRAM = """
import { periodsIn, placeOfPeriod, tryGetPeriod } from "./definitions/time_periods.ts";
const { definitions, from, to, now } = JSON.parse(process.argv.at(-1));
const found = definitions.map((one) => Object.fromEntries(
  [...periodsIn(one, from, to)].filter((period) => placeOfPeriod(one, period, now) === "exists")
    .map(({ key }) => [key, tryGetPeriod(one, key)])
    .map(([key, period]) => [key, [period?.start, period?.end]])));
console.log(JSON.stringify(found));
"""


def test_partitions_have_the_keys_and_the_bounds_that_dagster_gives_them() -> None:
    definitions = [
        {
            "kind": kind,
            "column": "at",
            "timezone": zone,
            "start": f"{start}-05:00" if kind == "hourly" else start,
            "end": "2017-11-20-07:00" if kind == "hourly" else "2018-04-20",
        }
        for zone, start in ZONES
        for kind in KINDS
    ]
    document = {
        "definitions": definitions,
        "from": _ms("2017-01-01"),
        "to": _ms("2018-06-01"),
        "now": _ms("2026-01-01"),
    }
    node = ROOT / "node_modules" / ".bin" / "node"
    command = [node, "--input-type=module-typescript", "--eval", PROGRAM, json.dumps(document)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for definition, found in zip(definitions, json.loads(done.stdout), strict=True):
        assert found == _dagsters(definition), definition


@pytest.mark.parametrize(("end", "now", "expected"), [(None, "2017-02-03", 2), ("2017-02-02", "2017-03-01", 1)])
def test_there_are_partitions_up_to_the_end_and_up_to_now(end: str | None, now: str, expected: int) -> None:
    definition = {"kind": "daily", "column": "at", "timezone": "UTC", "start": "2017-02-01", "end": end}
    document = {"definitions": [definition], "from": _ms("2017-01-01"), "to": _ms("2018-01-01"), "now": _ms(now)}
    node = ROOT / "node_modules" / ".bin" / "node"
    command = [node, "--input-type=module-typescript", "--eval", PROGRAM, json.dumps(document)]
    [found] = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    partitions = dg.DailyPartitionsDefinition(start_date="2017-02-01", end_date=end)
    with dg.partition_loading_context(effective_dt=datetime.fromisoformat(now).replace(tzinfo=timezone.utc)):
        assert list(found) == partitions.get_partition_keys()
    assert len(found) == expected


def _dagsters(definition: Mapping[str, str]) -> Mapping[str, list[int]]:
    partitions = KINDS[definition["kind"]](
        start_date=definition["start"], end_date=definition["end"], timezone=definition["timezone"]
    )
    windows = {key: partitions.time_window_for_partition_key(key) for key in partitions.get_partition_keys()}
    return {
        key: [round(bound.timestamp() * 1000) for bound in (window.start, window.end)]
        for key, window in windows.items()
    }


def _ms(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)
