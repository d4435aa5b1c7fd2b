"""Dagster and the real runtime together: what a person sees, and what is in the warehouse, after each kind of end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project import TypeScriptAssetsComponent

ROOT = Path(__file__).parents[2]
NODE = ROOT / "node_modules" / ".bin" / "node"
# Only a hang reaches it: the machine may be busy with other things.
DEADLINE_SECONDS = 180
SECRET = "ghp_abcdefghijklmnopqrstuv"

ORDERS = """
import { appendFileSync, readFileSync } from "node:fs";
import { between, defineAsset, unique, z } from "dagster-typescript";

export const orders = defineAsset("shop/orders", {
  description: "Reads what the file `source.json` says.",
  columns: z.strictObject({ id: z.int32(), note: z.string() }),
  checks: [unique("id"), between("id", { min: 1 })],
  body: {
    async *rows({ row, log }) {
      const source = JSON.parse(readFileSync("source.json", "utf8"));
      for (const id of source.ids) yield row({ id, note: `${process.env.GITHUB_TOKEN} in row ${id}` });
      log.info(`read with ${process.env.GITHUB_TOKEN}`);
      console.log("to stdout", process.env.GITHUB_TOKEN);
      console.error("to stderr", process.env.GITHUB_TOKEN);
      if (source.hangs) {
        appendFileSync("hangs", String(process.pid));
        await new Promise((done) => setTimeout(done, 3_600_000));
      }
    },
  },
});
"""
ORDER_COUNT = """
import { defineAsset, sql, z } from "dagster-typescript";
import { orders } from "./orders.ts";

export const order_count = defineAsset("shop/order_count", {
  description: "How many orders there are.",
  columns: z.strictObject({ orders: z.int32() }),
  body: sql`SELECT CAST(count(*) AS INTEGER) AS orders FROM ${orders}`,
});
"""
BY_DAY = """
import { daily, defineAsset, rowCount, timestamp, warn, z } from "dagster-typescript";

export const by_day = defineAsset("shop/by_day", {
  description: "No row of the first day, one of the second, two of the third, and so on.",
  columns: z.strictObject({ at: timestamp(), n: z.int32() }),
  partitions: daily("at", { start: "2026-01-01", end: "2026-02-01" }),
  checks: [warn(rowCount({ min: 1 }))],
  body: {
    async *rows({ row, window }) {
      for (let day = window.start; day < window.end; day = new Date(day.getTime() + 86_400_000)) {
        for (let n = 1; n < day.getUTCDate(); n++) yield row({ at: day, n });
      }
    },
  },
});
"""
ALL_BY_DAY = """
import { archive, defineAsset } from "dagster-typescript";
import { by_day } from "./by_day.ts";

export const all_by_day = defineAsset("shop/all_by_day", {
  description: "All days, the old ones in files.",
  columns: by_day.columns,
  body: archive(by_day, { olderThan: "30d", to: "cold" }),
});
"""
SHOWN = """
import { count, defineAsset, sql, z } from "dagster-typescript";

export const shown = defineAsset("shop/shown", {
  description: "A table that Superset shows.",
  columns: z.strictObject({ id: z.int32() }),
  superset: { metrics: { rows: count() } },
  body: sql`SELECT CAST(7 AS INTEGER) AS id`,
});
"""
VALIDATION = """
import { csv, sql, validateMigration, z } from "dagster-typescript";

export const validate_days = validateMigration("shop/validate_days", {
  description: "The days as the people of finance have them.",
  left: sql`SELECT 'monday' AS day, CAST(5 AS BIGINT) AS visits`,
  right: csv("days.csv"),
  columns: z.strictObject({ day: z.string(), visits: z.int() }),
  key: ["day"],
});
"""
ROLLOUT = """
import { defineAsset, sql, sqlCheck, z } from "dagster-typescript";
import { validate_days } from "./validate_days.ts";

export const rollout = defineAsset("shop/rollout", {
  description: "For those who used the files of finance.",
  columns: z.strictObject({ ready: z.boolean() }),
  checks: [sqlCheck("validated", sql`SELECT * FROM ${validate_days}`)],
  body: sql`SELECT true AS ready`,
});
"""
QUERY = """
import { DuckDBInstance } from "@duckdb/node-api";
const instance = await DuckDBInstance.create(process.argv[1], { access_mode: "READ_ONLY" });
const connection = await instance.connect();
console.log(JSON.stringify((await connection.runAndReadAll(process.argv[2])).getRowsJson()));
"""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
    return value


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Project:
    """Two assets, one after the other, in a project laid out as this repository is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.warehouse = folder / "warehouse.duckdb"
        (folder / "assets" / "shop").mkdir(parents=True)
        (folder / "assets" / "shop" / "orders.ts").write_text(ORDERS)
        (folder / "assets" / "shop" / "order_count.ts").write_text(ORDER_COUNT)
        for name in ("runtime", "definitions", "pipes", "resources", "node_modules", "package.json", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(
            ROOT / "dagster_project", folder / "dagster_project", ignore=shutil.ignore_patterns("__pycache__")
        )
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    def source(self, *ids: int, hangs: bool = False) -> None:
        (self.folder / "source.json").write_text(json.dumps({"ids": ids, "hangs": hangs}))

    def start(self, *selection: str) -> "subprocess.Popen[bytes]":
        """Run all assets as `dg launch` does; its output goes to a file."""
        environment = {name: value for name, value in os.environ.items() if name != "WAREHOUSE"}
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [str(Path(sys.executable).parent / "dg"), "launch", "--assets", *(selection or ("*",))],
                cwd=self.folder,
                env={
                    **environment,
                    "DAGSTER_HOME": str(self.home),
                    "DUCKDB_PATH": str(self.warehouse),
                    "GITHUB_TOKEN": SECRET,
                    "PYTHONPATH": str(self.folder),
                    "VIRTUAL_ENV": sys.prefix,
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def launch(self, *selection: str) -> int:
        process = self.start(*selection)
        try:
            return process.wait(timeout=DEADLINE_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def query(self, sql: str) -> list[list[Any]]:
        command = [str(NODE), "--input-type=module", "-e", QUERY, str(self.warehouse), sql]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rows: list[list[Any]] = json.loads(ended.stdout)
        return rows

    @property
    def order_ids(self) -> list[int]:
        return [row[0] for row in self.query("SELECT id FROM shop.orders ORDER BY id")]

    def last_run(self) -> list[dg.DagsterEvent]:
        """Read the events of the newest run from the event log."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            (run,) = instance.get_runs(limit=1)
            return [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]

    def left(self, folder: Path) -> list[str]:
        return [path.name for path in folder.iterdir()] if folder.exists() else []

    @property
    def side_files(self) -> list[str]:
        return self.left(Path(f"{self.warehouse}.staging"))

    @property
    def pipes_folders(self) -> list[str]:
        return self.left(self.folder / ".state" / "pipes")


def kinds(events: Sequence[dg.DagsterEvent], kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [event for event in events if event.event_type == kind]


def names(events: list[dg.DagsterEvent]) -> list[str]:
    return [event.asset_key.path[-1] for event in events if event.asset_key]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Make the project; the runs in it come one after the other, each a fixture."""
    project = Project(tmp_path_factory.mktemp("runtime") / "project")
    yield project
    shutil.rmtree(project.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def published(project: Project) -> list[dg.DagsterEvent]:
    """Return the events of a first run, after which `orders` holds 1 and 2."""
    project.source(1, 2)
    assert project.launch() == 0, project.output[-8000:]
    return project.last_run()


@dataclass(frozen=True)
class Killed:
    """What was there when a run worker was killed, and right after."""

    side_files: list[str]
    pipes_folders: list[str]
    events: list[dg.DagsterEvent]
    order_ids: list[int]


@pytest.fixture(scope="module")
def killed(project: Project, published: list[dg.DagsterEvent]) -> Killed:
    """Kill -9 the worker of a second run in the middle of its rows, and wait for the end of Node."""
    hangs = project.folder / "hangs"
    project.source(8, 9, hangs=True)
    process = project.start()
    try:
        node = int(wait_until(lambda: hangs.exists() and hangs.read_text(), "a body that hangs"))
        worker = int(Path(f"/proc/{node}/stat").read_text().rsplit(")", 1)[1].split()[1])
        side_files, pipes_folders = project.side_files, project.pipes_folders
        os.kill(worker, signal.SIGKILL)
        process.wait(timeout=DEADLINE_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    wait_until(lambda: not is_alive(node), "the end of the Node process")
    return Killed(side_files, pipes_folders, project.last_run(), project.order_ids)


@pytest.fixture(scope="module")
def refused(project: Project, killed: Killed) -> list[dg.DagsterEvent]:
    """Return the events of the run after the killed one: a blocking check refuses its rows."""
    project.source(-5, 7)
    assert project.launch() != 0
    return project.last_run()


def test_a_graph_is_published_in_order(project: Project, published: list[dg.DagsterEvent]) -> None:
    assert names(kinds(published, dg.DagsterEventType.ASSET_MATERIALIZATION)) == ["orders", "order_count"]
    checks = [
        event.asset_check_evaluation_data for event in kinds(published, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    assert {check.check_name: check.passed for check in checks} == {"unique_id": True, "between_id": True}
    assert project.order_ids == [1, 2]
    assert project.query("SELECT orders FROM shop.order_count") == [[2]]


def test_a_killed_run_worker_takes_its_node_process_along_and_changes_nothing(killed: Killed) -> None:
    assert kinds(killed.events, dg.DagsterEventType.ASSET_MATERIALIZATION) == []
    assert killed.order_ids == [1, 2]


@pytest.mark.usefixtures("refused")
def test_what_a_killed_run_worker_left_goes_with_the_next_run(project: Project, killed: Killed) -> None:
    assert (len(killed.side_files), len(killed.pipes_folders)) == (1, 1)
    assert project.side_files == []
    assert project.pipes_folders == []


def test_a_refused_publish_shows_its_check_and_changes_nothing(
    project: Project, refused: list[dg.DagsterEvent]
) -> None:
    assert kinds(refused, dg.DagsterEventType.ASSET_MATERIALIZATION) == []
    checks = [event.asset_check_evaluation_data for event in kinds(refused, dg.DagsterEventType.ASSET_CHECK_EVALUATION)]
    assert {check.check_name: check.passed for check in checks} == {"unique_id": True, "between_id": False}
    assert [check.metadata["published"].value for check in checks] == [False, False]
    (sample,) = [str(check.metadata["failed_sample"].value) for check in checks if not check.passed]
    assert "-5" in sample
    assert [event.step_key for event in kinds(refused, dg.DagsterEventType.STEP_START)] == ["shop__orders"]
    assert project.order_ids == [1, 2]
    assert project.query("SELECT orders FROM shop.order_count") == [[2]]


@pytest.mark.usefixtures("refused")
def test_a_secret_in_the_rows_is_in_no_event_no_log_and_no_ledger(project: Project) -> None:
    # It is where it belongs, which shows that it was there to be hidden.
    assert project.query("SELECT DISTINCT note[:26] FROM shop.orders") == [[SECRET]]
    ledger = json.dumps(project.query("SELECT COLUMNS(*)::VARCHAR FROM _dagster_typescript.ledger"))
    assert "redacted" in ledger
    kept = {str(path): path.read_bytes() for path in project.home.rglob("*") if path.is_file()}
    assert any(b"[redacted" in content for content in kept.values())
    assert any(path.endswith(".err") and b"to stderr [redacted]" in content for path, content in kept.items())
    for where, content in [*kept.items(), ("the ledger", ledger.encode()), ("dg launch", project.output.encode())]:
        # However often something has escaped it on its way.
        assert SECRET[:10].encode() not in content.replace(b"\\", b""), where


def test_checks_alone_look_at_the_published_rows_and_change_nothing(
    project: Project, refused: list[dg.DagsterEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The source still has the rows that were refused.
    monkeypatch.setenv("DUCKDB_PATH", str(project.warehouse))
    monkeypatch.delenv("WAREHOUSE", raising=False)
    defs = TypeScriptAssetsComponent().build_project_defs(project.folder)
    job = defs.resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(dg.AssetKey(["shop", "orders"]), name) for name in ("unique_id", "between_id")}
    ledger = project.query("SELECT count(*) FROM _dagster_typescript.ledger")
    with dg.DagsterInstance.from_config(str(project.home)) as instance:
        result = job.get_subset(asset_check_selection=keys).execute_in_process(instance=instance)
    assert result.success
    assert result.asset_materializations_for_node("shop__orders") == []
    found = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert {name: check.passed for name, check in found.items()} == {"unique_id": True, "between_id": True}
    assert [check.metadata["checked_rows"].value for check in found.values()] == [2, 2]
    assert project.order_ids == [1, 2]
    assert project.query("SELECT count(*) FROM _dagster_typescript.ledger") == ledger


@pytest.fixture(scope="module")
def range_run(project: Project, published: list[dg.DagsterEvent]) -> list[dg.DagsterEvent]:
    """Return the events of one run of three partitions; the asset is gone afterwards, as `*` takes no mixture."""
    file = project.folder / "assets" / "shop" / "by_day.ts"
    file.write_text(BY_DAY)
    try:
        selection = ("key:shop/by_day", "--partition-range", "2026-01-01...2026-01-03")
        assert project.launch(*selection) == 0, project.output[-8000:]
        return project.last_run()
    finally:
        file.unlink()


def test_one_run_of_a_range_is_one_step_and_gives_each_partition_its_own_rows_and_version(
    project: Project, range_run: list[dg.DagsterEvent]
) -> None:
    assert len(kinds(range_run, dg.DagsterEventType.STEP_START)) == 1
    with dg.DagsterInstance.from_config(str(project.home)) as instance:
        events = {
            day: instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=dg.AssetKey(["shop", "by_day"]), asset_partitions=[day]), limit=1
            )
            .records[0]
            .asset_materialization
            for day in ("2026-01-01", "2026-01-02", "2026-01-03")
        }
    found = [event and event.metadata["dagster/partition_row_count"].value for event in events.values()]
    assert found == [0, 1, 2]
    assert len({event and (event.tags or {})["dagster/data_version"] for event in events.values()}) == 3
    rows = project.query('SELECT CAST("at" AS DATE), count(*) FROM shop.by_day GROUP BY 1 ORDER BY 1')
    assert rows == [["2026-01-02", "1"], ["2026-01-03", "2"]]


def test_a_check_has_a_verdict_for_each_partition_of_a_range(range_run: list[dg.DagsterEvent]) -> None:
    verdicts = {
        evaluation.partition: evaluation.passed
        for event in kinds(range_run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if (evaluation := event.asset_check_evaluation_data) and evaluation.partition is not None
    }
    assert verdicts == {"2026-01-01": False, "2026-01-02": True, "2026-01-03": True}


def test_an_archive_reports_what_it_moved_and_the_launchpad_brings_it_back(
    project: Project, range_run: list[dg.DagsterEvent]
) -> None:
    by_day = project.folder / "assets" / "shop" / "by_day.ts"
    file = by_day.with_name("all_by_day.ts")
    by_day.write_text(BY_DAY)
    file.write_text(ALL_BY_DAY)
    rows = "SELECT CAST(at AS DATE), count(*) FROM shop.{} GROUP BY 1 ORDER BY 1".replace("at AS", '"at" AS')
    days = [["2026-01-02", 1], ["2026-01-03", 2]]
    try:
        assert project.launch("key:shop/all_by_day") == 0, project.output
        assert told(project) == {"rows_archived": 3, "files_written": 2, "rows_restored": 0, "rows_cold": 3}
        assert project.query(rows.format("by_day")) == []
        assert as_numbers(project.query(rows.format("all_by_day"))) == days
        config = {"ops": {"shop__all_by_day": {"config": {"restore": ["2026-01-03"]}}}}
        assert project.launch("key:shop/all_by_day", "--config-json", json.dumps(config)) == 0, project.output
        assert told(project) == {"rows_archived": 0, "files_written": 0, "rows_restored": 2, "rows_cold": 1}
        assert as_numbers(project.query(rows.format("by_day"))) == days[1:]
        assert as_numbers(project.query(rows.format("all_by_day"))) == days
    finally:
        by_day.unlink()
        file.unlink()


def told(project: Project) -> dict[str, Any]:
    (event,) = kinds(project.last_run(), dg.DagsterEventType.ASSET_MATERIALIZATION)
    metadata = event.step_materialization_data.materialization.metadata
    return {name: metadata[name].value for name in ("rows_archived", "files_written", "rows_restored", "rows_cold")}


def as_numbers(rows: list[list[Any]]) -> list[list[Any]]:
    return [[day, int(count)] for day, count in rows]


def test_any_discrepancy_and_a_side_that_cannot_be_read_block_the_rollout(
    project: Project, published: list[dg.DagsterEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUCKDB_PATH", str(project.warehouse))
    monkeypatch.delenv("WAREHOUSE", raising=False)
    files = {name: project.folder / "assets" / "shop" / f"{name}.ts" for name in ("validate_days", "rollout")}
    files["validate_days"].write_text(VALIDATION)
    files["rollout"].write_text(ROLLOUT)
    subprocess.run([str(NODE), "runtime/manifest.ts"], cwd=project.folder, check=True, capture_output=True)
    job = TypeScriptAssetsComponent().build_project_defs(project.folder).resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["shop", name]) for name in files]
    theirs = project.folder / "days.csv"

    def validate() -> tuple[list[str], list[str | None], dict[str, bool], str]:
        with dg.DagsterInstance.from_config(str(project.home)) as instance:
            result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        told = checks.get("no_difference")
        return (
            names(kinds(result.all_events, dg.DagsterEventType.ASSET_MATERIALIZATION)),
            [event.step_key for event in kinds(result.all_events, dg.DagsterEventType.STEP_START)],
            {name: check.passed for name, check in checks.items()},
            "" if told is None or told.passed else str(told.metadata["first_differences"].value),
        )

    try:
        theirs.write_text("day,visits\nmonday,6\n")
        materialized, started, checks, shown = validate()
        assert (materialized, started, checks) == ([], ["shop__validate_days"], {"no_difference": False})
        assert "monday" in shown
        assert project.query("SELECT kind, left_value, right_value FROM shop.validate_days") == [["value", "5", "6"]]
        # What cannot be read passes for nothing either.
        theirs.unlink()
        assert validate()[:3] == ([], ["shop__validate_days"], {})
        assert project.query("SELECT kind FROM shop.validate_days") == [["not_compared"]]
        theirs.write_text("day,visits\nmonday,5\n")
        materialized, _, checks, _ = validate()
        assert (materialized, checks) == (["validate_days", "rollout"], {"no_difference": True, "validated": True})
        rate = "SELECT column_name, passed, match_rate FROM shop.validate_days_history ORDER BY 1"
        assert project.query(rate) == [["(rows)", True, 1], ["visits", True, 1]]
    finally:
        for file in files.values():
            file.unlink()


def test_a_fault_of_superset_leaves_the_table_published_and_says_what_to_do(
    project: Project, published: list[dg.DagsterEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUCKDB_PATH", str(project.warehouse))
    for name in ("WAREHOUSE", "SUPERSET_URL"):
        monkeypatch.delenv(name, raising=False)
    file = project.folder / "assets" / "shop" / "shown.ts"
    file.write_text(SHOWN)
    subprocess.run([str(NODE), "runtime/manifest.ts"], cwd=project.folder, check=True, capture_output=True)
    keys = [dg.AssetKey(["shop", "shown"]), dg.AssetKey(["superset", "dataset", "shop", "shown"])]
    job = TypeScriptAssetsComponent().build_project_defs(project.folder).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.from_config(str(project.home)) as instance:
        result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
    file.unlink()
    assert names(kinds(result.all_events, dg.DagsterEventType.ASSET_MATERIALIZATION)) == ["shown"]
    assert project.query("SELECT id FROM shop.shown") == [[7]]
    [failure] = kinds(result.all_events, dg.DagsterEventType.STEP_FAILURE)
    assert failure.step_key == "superset__dataset__shop__shown"
    assert "SUPERSET_URL is not set" in str(failure.step_failure_data.user_failure_data)
    # Nothing changes by itself, so nothing is tried again.
    assert kinds(result.all_events, dg.DagsterEventType.STEP_UP_FOR_RETRY) == []
