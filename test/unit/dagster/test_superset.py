"""What is in Superset follows the data: once for each change, in runs of its own, and nothing is lost."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from dagster_project import NodeLauncher, TypeScriptAssetsComponent
from dagster_project.superset.reconcile import NodeComparer, ReconcileError
from dagster_project.superset.versions import latest_version, recorded_version

TABLE = dg.AssetKey(["retail", "orders"])
DATASET = dg.AssetKey(["superset", "dataset", "retail", "orders"])
DASHBOARD = dg.AssetKey(["superset", "dashboard", "kpi"])


def declared(key: dg.AssetKey, body: str, deps: list[dg.AssetKey], **changes: Any) -> dict[str, Any]:
    return {
        "key": list(key.path),
        "body": body,
        "store": None,
        "table": None,
        "description": "A test.",
        "deps": [list(dep.path) for dep in deps],
        "columns": [],
        "checks": [],
        "partitions": None,
        "freshness": None,
        "automation": None,
        "owners": [],
        "tags": {},
        "kinds": [],
        "group": "test",
        "pool": None,
        "retry": None,
        "timeout_seconds": 60,
        "exclusive": None,
        "incremental": False,
        "each": False,
        "partition_mappings": [],
        "max_partitions_per_run": None,
        "code_version": "1",
        "sources": [{"file": "assets/retail/orders.ts", "line": 1}],
        **changes,
    }


EAGER = {"automation": {"kind": "eager"}, "tags": {"superset/sync": "onMaterialize"}}
DAYS = {"kind": "daily", "column": "at", "start": "2017-01-01", "end": "2017-01-05", "timezone": "UTC"}


def project(folder: Path, sync: Mapping[str, Any] = EAGER, **table: Any) -> Path:
    assets = [
        declared(TABLE, "query", [], **table),
        declared(DATASET, "superset", [TABLE], **sync),
        declared(DASHBOARD, "superset", [DATASET], **EAGER),
    ]
    document = {"version": 1, "source_digest": "00", "assets": assets, "schedules": [], "sensors": [], "faults": []}
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def stored() -> Iterator[dg.DagsterInstance]:
    """An instance that ticks can open by themselves."""
    with dg.instance_for_test() as one:
        yield one


class Ticks:
    """Evaluates the conditions of a project again and again."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance, *keys: dg.AssetKey) -> None:
        self._defs, self._instance, self._cursor = defs, instance, None
        self._keys = keys or (DATASET, DASHBOARD)

    def tick(self) -> set[dg.AssetKey]:
        result = dg.evaluate_automation_conditions(
            defs=self._defs,
            instance=self._instance,
            asset_selection=dg.AssetSelection.assets(*self._keys),
            cursor=self._cursor,
        )
        self._cursor = result.cursor
        return {key for key in self._keys if result.get_num_requested(key) > 0}


def publish(instance: dg.DagsterInstance, key: dg.AssetKey, version: str, partition: str | None = None) -> None:
    event = dg.AssetMaterialization(key, partition=partition, tags={DATA_VERSION_TAG: version})
    instance.report_runless_asset_event(event)


def test_a_change_is_synced_once_and_an_unchanged_table_never(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    ticks = Ticks(TypeScriptAssetsComponent().build_project_defs(project(tmp_path)), instance)
    assert ticks.tick() == set()
    publish(instance, TABLE, "1")
    # The dashboard with its dataset, in one run.
    assert ticks.tick() == {DATASET, DASHBOARD}
    publish(instance, DATASET, "1")
    publish(instance, DASHBOARD, "1")
    publish(instance, TABLE, "1")
    ticks.tick()
    assert ticks.tick() == set()
    publish(instance, TABLE, "2")
    assert ticks.tick() == {DATASET, DASHBOARD}


def test_a_change_right_after_a_request_or_during_a_sync_is_not_lost(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ticks = Ticks(TypeScriptAssetsComponent().build_project_defs(project(tmp_path)), instance)
    ticks.tick()
    publish(instance, TABLE, "1")
    assert DATASET in ticks.tick()
    # In the tick right after the request, and before the end of the sync.
    publish(instance, TABLE, "2")
    assert DATASET in ticks.tick()
    publish(instance, TABLE, "3")
    publish(instance, DATASET, "1")
    assert DATASET in ticks.tick()
    ticks.tick()
    assert ticks.tick() == set()


def test_a_dataset_of_a_partitioned_table_is_synced_although_partitions_are_missing(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ticks = Ticks(TypeScriptAssetsComponent().build_project_defs(project(tmp_path, partitions=DAYS)), instance)
    ticks.tick()
    publish(instance, TABLE, "1", "2017-01-02")
    assert ticks.tick() == {DATASET, DASHBOARD}
    first = latest_version(instance, TABLE)
    publish(instance, TABLE, "2", "2017-01-03")
    second = latest_version(instance, TABLE)
    publish(instance, TABLE, "1", "2017-01-02")
    third = latest_version(instance, TABLE)
    # Of all partitions together: another one changes it, the same content again does not.
    versions = [one.data_version for one in (first, second, third) if one is not None]
    assert versions[0] != versions[1] == versions[2]


def test_of_tables_in_one_snapshot_the_dataset_is_synced_whose_own_table_changed(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    other = dg.AssetKey(["retail", "users"])
    snapshot = dg.AssetKey(["superset", "snapshot"])
    assets = [
        *(declared(key, "query", []) for key in (TABLE, other)),
        declared(snapshot, "superset", [TABLE, other], **EAGER),
        declared(DATASET, "superset", [TABLE, snapshot], **EAGER),
    ]
    document = {"version": 1, "source_digest": "00", "assets": assets, "schedules": [], "sensors": [], "faults": []}
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    ticks = Ticks(TypeScriptAssetsComponent().build_project_defs(tmp_path), instance, snapshot, DATASET)
    ticks.tick()
    publish(instance, TABLE, "1")
    # The snapshot with the dataset, in one run.
    assert ticks.tick() == {snapshot, DATASET}
    publish(instance, snapshot, "1")
    publish(instance, DATASET, "1")
    ticks.tick()
    assert ticks.tick() == set()
    publish(instance, other, "1")
    assert ticks.tick() == {snapshot}
    publish(instance, snapshot, "2")
    ticks.tick()
    assert ticks.tick() == set()


def test_syncs_have_a_sensor_of_their_own_that_runs_where_there_is_a_superset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SUPERSET_URL", raising=False)
    folder = project(tmp_path, automation={"kind": "eager"})

    def sensors() -> dict[str, dg.SensorDefinition]:
        defs = TypeScriptAssetsComponent().build_project_defs(folder)
        return {sensor.name: sensor for sensor in defs.sensors or []}

    found = sensors()
    own = found["typescript_superset"].asset_selection
    data = found["typescript_automation"].asset_selection
    assert own == dg.AssetSelection.assets(DATASET, DASHBOARD)
    assert data == dg.AssetSelection.assets(TABLE)
    assert found["typescript_superset"].minimum_interval_seconds == 4
    assert found["typescript_superset"].default_status == dg.DefaultSensorStatus.STOPPED
    monkeypatch.setenv("SUPERSET_URL", "http://127.0.0.1:1")
    assert sensors()["typescript_superset"].default_status == dg.DefaultSensorStatus.RUNNING


SCHEDULED = {"tags": {"superset/sync": "scheduled"}}


def schedule_of(folder: Path, compare: str) -> dg.ScheduleDefinition:
    """Return the schedule of a project whose Node is a script that answers."""
    script = folder / "node"
    script.write_text(f"#!/bin/sh\n{compare}\n")
    script.chmod(0o700)

    class Component(TypeScriptAssetsComponent):
        def get_comparer(self, project_dir: Path) -> NodeComparer:
            return NodeComparer(project_dir, node=script)

    return Component().build_project_defs(folder).resolve_schedule_def("superset_reconcile")


def test_the_schedule_asks_for_what_differs_and_for_the_dashboards_that_show_it(
    stored: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERSET_URL", "http://127.0.0.1:1")
    answer = {
        "datasets": [{"dataset": "superset/dataset/retail/orders", "differences": ["no such metric"]}],
        "unfed": ["retail.old"],
    }
    schedule = schedule_of(project(tmp_path, SCHEDULED), f"cat > seen.json; echo '{json.dumps(answer)}'")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    tick = schedule.evaluate_tick(dg.build_schedule_context(stored))
    assert tick.skip_message == "no table of a dataset has been materialized yet"
    publish(stored, TABLE, "7")
    [request] = schedule.evaluate_tick(dg.build_schedule_context(stored)).run_requests or []
    assert set(request.asset_selection or []) == {DATASET, DASHBOARD}
    [seen] = json.loads((tmp_path / "seen.json").read_text()).values()
    assert seen["data_version"] == "7"


def test_a_superset_that_cannot_be_asked_fails_the_tick_with_the_reason(
    stored: dg.DagsterInstance, tmp_path: Path
) -> None:
    schedule = schedule_of(project(tmp_path, SCHEDULED), "echo 'Superset is down: start it' >&2; exit 1")
    publish(stored, TABLE, "1")
    with pytest.raises(Exception, match="superset_reconcile") as raised:
        schedule.evaluate_tick(dg.build_schedule_context(stored))
    assert isinstance(raised.value.__cause__, ReconcileError)
    assert "Superset is down: start it" in str(raised.value.__cause__)


def failing(folder: Path) -> dg.Definitions:
    """Define a project whose Node is a script that fails."""
    script = folder / "node"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o700)

    class Component(TypeScriptAssetsComponent):
        def get_launcher(self, project_dir: Path) -> NodeLauncher:
            return NodeLauncher(project_dir, node=script)

    return Component().build_project_defs(folder)


def run_of(instance: dg.DagsterInstance, defs: dg.Definitions, *keys: dg.AssetKey) -> str:
    """Run assets in a process whose Node is a script that fails, and return the run."""
    job = defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, asset_selection=list(keys), raise_on_error=False).run_id


def test_a_dashboard_says_that_it_is_stale_and_which_asset_failed(stored: dg.DagsterInstance, tmp_path: Path) -> None:
    folder = project(tmp_path)
    defs = failing(folder)
    sensor = next(one for one in defs.sensors or [] if getattr(one, "name", "") == "superset_up_to_date")

    def tick(cursor: str | None) -> tuple[list[Any], str | None]:
        data = sensor.evaluate_tick(dg.build_sensor_context(stored, cursor=cursor))
        return list(data.asset_events), data.cursor

    events, cursor = tick(None)
    assert events == []
    publish(stored, TABLE, "1")
    [behind], cursor = tick(cursor)
    assert not behind.passed
    assert "retail/orders was published by run" in behind.metadata["stale_because"].value
    sync(stored, "1")
    [fresh], cursor = tick(cursor)
    assert fresh.passed
    assert "| superset/dataset/retail/orders | retail/orders | a-run |" in fresh.metadata["shows"].value
    assert tick(cursor)[0] == []
    # Nothing is stale, but what it shows was published by another run.
    sync(stored, "1", "another-run")
    [renewed], cursor = tick(cursor)
    assert renewed.passed
    assert "| another-run |" in renewed.metadata["shows"].value
    run_id = run_of(stored, defs, TABLE, DATASET)
    [stale], cursor = tick(cursor)
    assert stale.asset_key == DASHBOARD
    assert not stale.passed
    # Not the dataset, which was only skipped.
    assert stale.metadata["stale_because"].value == f"retail/orders failed in run {run_id[:8]}"
    assert stale.metadata["stale_asset"].value == TABLE
    assert stale.metadata["stale_run"].value == run_id
    assert tick(cursor)[0] == []


def test_a_partition_that_failed_makes_a_dashboard_stale_although_a_later_one_succeeded(
    stored: dg.DagsterInstance, tmp_path: Path
) -> None:
    folder = project(tmp_path, partitions=DAYS)
    defs = failing(folder)
    job = defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=stored, asset_selection=[TABLE], partition_key="2017-01-02", raise_on_error=False
    )
    publish(stored, TABLE, "1", "2017-01-03")
    version = latest_version(stored, TABLE)
    assert version is not None
    sync(stored, version.data_version, at=version.at)
    sensor = next(one for one in defs.sensors or [] if getattr(one, "name", "") == "superset_up_to_date")

    def tick() -> dg.AssetCheckEvaluation:
        [event] = sensor.evaluate_tick(dg.build_sensor_context(stored)).asset_events
        assert isinstance(event, dg.AssetCheckEvaluation)
        return event

    stale = tick()
    assert not stale.passed
    assert stale.metadata["stale_because"].value == f"retail/orders failed for 2017-01-02 in run {run.run_id[:8]}"
    publish(stored, TABLE, "1", "2017-01-02")
    version = latest_version(stored, TABLE)
    assert version is not None
    sync(stored, version.data_version, at=version.at)
    assert tick().passed


def test_a_dashboard_that_was_never_stale_says_what_it_shows(stored: dg.DagsterInstance, tmp_path: Path) -> None:
    defs = TypeScriptAssetsComponent().build_project_defs(project(tmp_path))
    sensor = next(one for one in defs.sensors or [] if getattr(one, "name", "") == "superset_up_to_date")
    publish(stored, TABLE, "1")
    sync(stored, "1")
    [first] = sensor.evaluate_tick(dg.build_sensor_context(stored)).asset_events
    assert isinstance(first, dg.AssetCheckEvaluation)
    assert first.passed
    assert "| superset/dataset/retail/orders | retail/orders | a-run |" in str(first.metadata["shows"].value)


def test_a_dataset_is_told_that_its_table_held_other_data_although_it_holds_the_same_again(
    instance: dg.DagsterInstance,
) -> None:
    def was_other() -> bool | None:
        version = recorded_version(instance, TABLE, DATASET)
        return None if version is None else version.was_other

    def synced() -> None:
        version = latest_version(instance, TABLE)
        assert version is not None
        sync(instance, version.data_version, at=version.at)

    assert was_other() is None
    publish(instance, TABLE, "good")
    assert was_other() is False
    synced()
    publish(instance, TABLE, "good")
    assert was_other() is False
    publish(instance, TABLE, "bad")
    # Another version says enough by itself.
    assert was_other() is False
    publish(instance, TABLE, "good")
    assert was_other() is True
    synced()
    assert was_other() is False


def test_of_a_partitioned_table_it_is_told_by_partition(instance: dg.DagsterInstance) -> None:
    publish(instance, TABLE, "1", "2017-01-01")
    publish(instance, TABLE, "2", "2017-01-02")
    version = latest_version(instance, TABLE)
    assert version is not None
    sync(instance, version.data_version, at=version.at)
    for partition, data in (("2017-01-01", "1"), ("2017-01-02", "2")):
        publish(instance, TABLE, data, partition)
    same = recorded_version(instance, TABLE, DATASET)
    assert same is not None
    assert not same.was_other
    for data in ("bad", "2"):
        publish(instance, TABLE, data, "2017-01-02")
    other = recorded_version(instance, TABLE, DATASET)
    assert other is not None
    assert other.data_version == version.data_version
    assert other.was_other


def sync(instance: dg.DagsterInstance, version: str, run: str = "a-run", at: str = "2026-01-01T00:00:00+00:00") -> None:
    metadata = {
        "table_data_version": version,
        "table_published_at": at,
        "published_by": dg.MetadataValue.dagster_run(run),
    }
    instance.report_runless_asset_event(dg.AssetMaterialization(DATASET, metadata=metadata))
