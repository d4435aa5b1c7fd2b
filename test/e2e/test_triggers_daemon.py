"""A real daemon: dropped files become runs, each once; late rows too; and a sensor that fails disturbs nobody."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

ROOT = Path(__file__).parents[2]
# Only a hang reaches it: the machine may be busy with other things.
DEADLINE_SECONDS = 240
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")

SALES = """
import { readFileSync } from "node:fs";
import { daily, date, defineAsset, z } from "dagster-typescript";

export const sales = defineAsset("shop/sales", {
  description: "What each shop file says, a day a file.",
  columns: z.strictObject({ day: date(), amount: z.int32() }),
  partitions: daily("day", { start: "2017-01-01", end: "2018-01-01" }),
  body: {
    async *rows({ row, partitionKeys }) {
      for (const day of partitionKeys ?? []) {
        yield row({ day: date().parse(day), amount: Number(readFileSync(`inbox/${day}.csv`, "utf8")) });
      }
    },
  },
});
"""
INBOX = """
import { defineSensor } from "dagster-typescript";
import { newFiles } from "dagster-typescript/sensors";
import { sales } from "./sales.ts";

export const inbox = defineSensor("shop/inbox", {
  description: "Loads the day of each file.",
  assets: [sales],
  every: "1s",
  ...newFiles({ folder: "inbox", pattern: "*.csv", settled: "1s", partition: ({ name }) => name.slice(0, 10) }),
});
"""
BROKEN = """
import { defineSensor, z } from "dagster-typescript";
import { sales } from "./sales.ts";

export const broken = defineSensor("shop/broken", {
  description: "Asks for a run, moves its cursor, and fails.",
  assets: [sales],
  every: "1s",
  cursor: z.strictObject({ n: z.int() }),
  evaluate: () => ({ runs: [{ partitionKey: "1999-01-01" }], cursor: { n: 1 } }),
});
"""
LATE = """
import { existsSync, readFileSync } from "node:fs";
import { daily, date, defineAsset, defineSensor, monthly, query, timestamp, z } from "dagster-typescript";
import { lateData } from "dagster-typescript/sensors";

const line = z.strictObject({ sold_at: timestamp(), recorded_at: timestamp(), amount: z.int32() });
export const lines = defineAsset("shop/lines", {
  description: "All lines of all tills.",
  columns: line,
  body: {
    async *rows() {
      const found = z.array(z.tuple([z.string(), z.string(), z.int32()]));
      for (const [sold, recorded, amount] of found.parse(JSON.parse(readFileSync("lines.json", "utf8"))))
        yield { sold_at: new Date(sold), recorded_at: new Date(recorded), amount };
    },
  },
});
export const daily_sales = defineAsset("shop/daily_sales", {
  description: "What was sold each day.",
  columns: z.strictObject({ day: date(), amount: z.int() }),
  partitions: daily("day", { start: "2017-01-01" }),
  body: query("daily_sales.sql", { lines }),
});
export const monthly_sales = defineAsset("shop/monthly_sales", {
  description: "The days of each month on which something was sold.",
  columns: z.strictObject({ day: date(), amount: z.int() }),
  partitions: monthly("day", { start: "2017-01-01" }),
  body: query("monthly_sales.sql", { daily_sales }),
});
defineSensor("shop/late_lines", {
  description: "Computes the days and months of late lines again.",
  assets: [daily_sales, monthly_sales],
  every: "1s",
  ...lateData({ source: lines, time: "sold_at", arrived: "recorded_at" }),
});
defineSensor("shop/asks", {
  description: "Asks for what a test wants.",
  assets: [daily_sales, monthly_sales],
  every: "1s",
  evaluate() {
    if (!existsSync("asked")) return { skip: "nothing" };
    const days = { runKey: "days", assets: [daily_sales], partitionRange: { start: "2017-01-30", end: "2017-02-02" } };
    const months = { runKey: "months", assets: [monthly_sales], partitionKeys: ["2017-01-01", "2017-02-01"] };
    return { runs: [days, months] };
  },
});
"""
DAILY_SQL = """
SELECT CAST(sold_at AT TIME ZONE 'UTC' AS DATE) AS day, CAST(sum(amount) AS BIGINT) AS amount FROM {lines}
WHERE sold_at >= {window.start} AND sold_at < {window.end} GROUP BY 1
"""
MONTHLY_SQL = """
SELECT day, amount FROM {daily_sales}
WHERE day >= CAST({window.start} AT TIME ZONE 'UTC' AS DATE) AND day < CAST({window.end} AT TIME ZONE 'UTC' AS DATE)
"""
CELLS = """
import { daily, date, defineAsset, query, staticKeys, twoDimensional, z } from "dagster-typescript";

const days = daily("day", { start: "2017-01-01", end: "2017-01-08" });
export const cells = defineAsset("shop/cells", {
  description: "In berlin a row for each day of the month, in o'hare one.",
  columns: z.strictObject({ day: date(), store: z.string(), n: z.int32() }),
  partitions: twoDimensional(days, staticKeys("store", ["berlin", "o'hare"])),
  body: {
    async *rows({ row, window, keys }) {
      for (let day = window!.start; day < window!.end; day = new Date(day.getTime() + 86_400_000))
        for (const store of keys ?? [])
          for (let n = 0; n < (store === "berlin" ? day.getUTCDate() : 1); n += 1)
            yield row({ day: date().parse(day.toISOString().slice(0, 10)), store, n });
    },
  },
});
export const cell_days = defineAsset("shop/cell_days", {
  description: "The rows of each day.",
  columns: z.strictObject({ day: date(), n: z.int() }),
  partitions: days,
  body: query("cell_days.sql", { cells }),
});
"""
CELL_DAYS_SQL = """
SELECT day, CAST(count(*) AS BIGINT) AS n FROM {cells}
WHERE day >= CAST({window.start} AT TIME ZONE 'UTC' AS DATE) AND day < CAST({window.end} AT TIME ZONE 'UTC' AS DATE)
GROUP BY day
"""
TIMELY = """
import { by, defineAsset, within, z } from "dagster-typescript";

const rest = {
  description: "One row.",
  columns: z.strictObject({ n: z.int32() }),
  body: { async *rows() { yield { n: 1 }; } },
};
const freshness = by("* * * * *", { lowerBound: "1m", timezone: "Asia/Kolkata" });
export const due = defineAsset("shop/due", { ...rest, freshness });
export const never = defineAsset("shop/never", { ...rest, freshness: within("1m") });
export const recent = defineAsset("shop/recent", { ...rest, freshness: within("1d") });
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg
from dagster_project import TypeScriptAssetsComponent, threaded_executor

defs = dg.Definitions.merge(
    TypeScriptAssetsComponent().build_project_defs(Path(__file__).parent),
    dg.Definitions(executor=threaded_executor),
)
"""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)
    return value


class Daemon:
    """A daemon over one project, and what it has written to its instance."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance

    def drop(self, name: str, text: str) -> None:
        """Write a file as people do: slowly, under its own name."""
        with (self.folder / "inbox" / name).open("w") as file:
            for character in text:
                file.write(character)
                file.flush()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def ticks(self, name: str) -> Sequence[InstigatorTick]:
        """Return the ticks of a sensor, the newest first."""
        for state in self.instance.all_instigator_state():
            if state.instigator_name == name:
                return self.instance.get_ticks(state.instigator_origin_id, state.selector_id)
        return []

    def wait_for_ticks(self, name: str, count: int, status: TickStatus) -> Sequence[InstigatorTick]:
        """Wait for so many more ticks."""
        ended = (TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE)
        before = max((tick.timestamp for tick in self.ticks(name)), default=0.0)

        def news() -> list[InstigatorTick]:
            return [tick for tick in self.ticks(name) if tick.timestamp > before and tick.status in ended]

        wait_until(lambda: len(news()) >= count, f"{count} ticks of {name}: {self.output[-4000:]}")
        assert {tick.status for tick in news()} == {status}
        return news()

    def requested(self) -> list[str]:
        """Return the partitions of each run, the oldest first."""
        return [partitions for _, partitions in self.requests()]

    def requests(self) -> list[tuple[str, str]]:
        """Return the assets and the partitions of each run, the oldest first."""
        records = sorted(self.instance.get_run_records(), key=lambda record: record.storage_id)
        return [
            (
                ", ".join(sorted(key.path[-1] for key in run.asset_selection or ())),
                run.tags.get("dagster/partition") or "...".join(run.tags[tag] for tag in RANGE if tag in run.tags),
            )
            for run in (record.dagster_run for record in records)
        ]

    def rows_of(self, name: str, partition: str) -> Any:
        """Return the number of rows that a partition was published with last."""
        key = dg.AssetKey(["shop", name])
        filters = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition])
        [record] = self.instance.fetch_materializations(filters, limit=1).records
        materialization = record.asset_materialization
        assert materialization is not None
        return materialization.metadata["dagster/partition_row_count"].value

    def runs(self) -> list[str]:
        """Return the same, once all have succeeded."""

        def ended() -> bool:
            return all(run.is_finished for run in self.instance.get_runs())

        wait_until(ended, "the end of all runs")
        assert {run.status for run in self.instance.get_runs()} <= {dg.DagsterRunStatus.SUCCESS}, self.output[-8000:]
        return self.requested()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    place = tmp_path_factory.mktemp("daemon")
    folder, home = place / "project", place / "home"
    (folder / "assets" / "shop").mkdir(parents=True)
    (folder / "sql").mkdir()
    (folder / "inbox").mkdir()
    home.mkdir()
    for name, text in (
        ("sales", SALES),
        ("inbox", INBOX),
        ("broken", BROKEN),
        ("late", LATE),
        ("cells", CELLS),
        ("timely", TIMELY),
    ):
        (folder / "assets" / "shop" / f"{name}.ts").write_text(text)
    for name, text in (("daily_sales", DAILY_SQL), ("monthly_sales", MONTHLY_SQL), ("cell_days", CELL_DAYS_SQL)):
        (folder / "sql" / f"{name}.sql").write_text(text)
    for name in ("runtime", "definitions", "pipes", "resources", "node_modules", "package.json"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "definitions.py").write_text(DEFINITIONS)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {name: value for name, value in os.environ.items() if name != "WAREHOUSE"}
    with (folder / "output").open("w") as output, dg.DagsterInstance.from_config(str(home)) as instance:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-f", "definitions.py", "-a", "defs"],
            cwd=folder,
            env={
                **environment,
                "DAGSTER_HOME": str(home),
                "PYTHONPATH": str(ROOT),
                "FRESHNESS_DAEMON_INTERVAL_SECONDS": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            start_new_session=True,
        )
        try:
            # The daemon builds it when it first loads the location; by it, the runtime finds assets that share a file.
            wait_until((folder / "manifest.json").exists, "the manifest")
            # More than a minute before anybody looks at how fresh they are.
            for name in ("due", "recent"):
                instance.report_runless_asset_event(dg.AssetMaterialization(["shop", name]))
            yield Daemon(folder, instance)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_dropped_files_become_runs_once_and_a_failing_sensor_stays_where_it_was(daemon: Daemon) -> None:
    daemon.wait_for_ticks("shop__inbox", 1, TickStatus.SKIPPED)
    assert daemon.runs() == []

    daemon.drop("2017-01-02.csv", "2")
    daemon.drop("2017-01-01.csv", "1")
    # Seen at one tick, or the later one at the next.
    expected = (["2017-01-01...2017-01-02"], ["2017-01-02", "2017-01-01"])
    wait_until(lambda: daemon.requested() in expected, "a run of both days")
    daemon.wait_for_ticks("shop__inbox", 2, TickStatus.SKIPPED)
    first = daemon.runs()
    assert first in expected

    (daemon.folder / "inbox" / "2017-01-01.csv").touch()
    daemon.drop("empty.csv", "")
    daemon.wait_for_ticks("shop__inbox", 2, TickStatus.SKIPPED)
    assert daemon.runs() == first

    (daemon.folder / "inbox" / "empty.csv").unlink()
    daemon.drop("2017-01-02.csv", "22")
    wait_until(lambda: len(daemon.requested()) > len(first), "another run")
    daemon.wait_for_ticks("shop__inbox", 1, TickStatus.SKIPPED)
    assert daemon.runs() == [*first, "2017-01-02"]

    failed = daemon.wait_for_ticks("shop__broken", 1, TickStatus.FAILURE)
    assert "'1999-01-01' is no partition of shop/sales" in str(failed[0].error)
    assert {tick.cursor for tick in daemon.ticks("shop__broken")} == {None}


def test_a_late_row_computes_its_day_and_its_month_again_and_nothing_else(daemon: Daemon) -> None:
    def write(*lines: tuple[str, datetime, int]) -> None:
        document = [[sold_at, recorded_at.isoformat(), amount] for sold_at, recorded_at, amount in lines]
        (daemon.folder / "lines.json").write_text(json.dumps(document))
        node = ROOT / "node_modules" / ".bin" / "node"
        subprocess.run([node, "runtime/main.ts", "shop/lines"], cwd=daemon.folder, check=True, capture_output=True)

    now = datetime.now(timezone.utc)
    early = [(f"{day}T12:00:00Z", now - timedelta(hours=2), 1) for day in ("2017-01-30", "2017-02-01", "2017-02-02")]
    write(*early)
    others = len(daemon.requests())
    (daemon.folder / "asked").touch()
    wait_until(lambda: len(daemon.requests()) == others + 2, "runs of the days and the months")
    daemon.runs()
    daemon.wait_for_ticks("shop__late_lines", 1, TickStatus.SKIPPED)
    before = daemon.requests()
    assert daemon.rows_of("daily_sales", "2017-01-31") == 0

    write(*early, ("2017-01-31T23:59:59Z", datetime.now(timezone.utc), 1))
    expected = [("daily_sales", "2017-01-31"), ("monthly_sales", "2017-01-01")]
    wait_until(lambda: len(daemon.requests()) >= len(before) + len(expected), "runs of the day and the month")
    daemon.runs()
    daemon.wait_for_ticks("shop__late_lines", 2, TickStatus.SKIPPED)
    assert daemon.requests() == before + expected
    assert (daemon.rows_of("daily_sales", "2017-01-31"), daemon.rows_of("monthly_sales", "2017-01-01")) == (1, 2)


def test_a_backfill_of_two_dimensions_and_of_what_reads_them_is_a_run_for_each_rectangle(daemon: Daemon) -> None:
    graph = ReconstructableRepository.for_file(str(daemon.folder / "definitions.py"), "defs").get_definition()
    cells = [f"2017-01-0{day}|{store}" for day in range(1, 8) for store in ("berlin", "o'hare")]
    others = len(daemon.requests())
    # As the dialog of the UI asks for it.
    backfill = PartitionBackfill.from_asset_partitions(
        asset_graph=graph.asset_graph,
        backfill_id="cells",
        tags={},
        backfill_timestamp=time.time(),
        asset_selection=[dg.AssetKey(["shop", "cells"]), dg.AssetKey(["shop", "cell_days"])],
        partition_names=cells,
        dynamic_partitions_store=daemon.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    daemon.instance.add_backfill(backfill)

    def status() -> BulkActionStatus:
        found = daemon.instance.get_backfill("cells")
        assert found is not None
        return found.status

    wait_until(lambda: status() != BulkActionStatus.REQUESTED, "the end of the backfill")
    assert status() == BulkActionStatus.COMPLETED_SUCCESS, daemon.output[-8000:]
    assert sorted(daemon.requests()[others:]) == [
        ("cell_days", "2017-01-01...2017-01-07"),
        ("cells", "2017-01-01|berlin...2017-01-07|berlin"),
        ("cells", "2017-01-01|o'hare...2017-01-07|o'hare"),
    ]
    assert [daemon.rows_of("cells", cell) for cell in cells] == [rows for day in range(1, 8) for rows in (day, 1)]


def test_a_deadline_that_passed_without_a_materialization_fails_and_a_window_that_is_kept_passes(
    daemon: Daemon,
) -> None:
    def state(name: str) -> FreshnessState | None:
        key = dg.AssetKey(["shop", name])
        record = daemon.instance.get_freshness_state_records([key]).get(key)
        return record and record.freshness_state

    wait_until(lambda: state("due") == FreshnessState.FAIL, "the deadline")
    assert (state("recent"), state("never")) == (FreshnessState.PASS, FreshnessState.UNKNOWN)
    daemon.instance.report_runless_asset_event(dg.AssetMaterialization(["shop", "due"]))
    wait_until(lambda: state("due") == FreshnessState.PASS, "a fresh asset")
