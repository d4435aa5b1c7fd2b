"""What Dagster sees of the TypeScript assets, and how a user changes it."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from dagster_project import (
    EXCLUSIVE_TAG,
    ManifestAsset,
    TypeScriptAssetsComponent,
    TypeScriptAssetsTranslator,
    threaded_executor,
)
from dagster_project.faults import FaultyDeclarationsError

KEY = dg.AssetKey(["retail", "orders"])
RAW = dg.AssetKey(["retail", "raw"])
ORDERS = dg.AssetKey(["retail", "orders"])


def declared(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "key": ["retail", name],
        "body": "query",
        "store": "duckdb",
        "table": {"schema": "retail", "name": name},
        "description": f"All {name}.",
        "deps": [],
        "columns": [
            {"name": "id", "type": "VARCHAR", "nullable": False, "unique": True, "description": "The id"},
            {"name": "note", "type": "VARCHAR", "nullable": True, "unique": False, "description": None},
        ],
        "checks": [],
        "partitions": None,
        "freshness": None,
        "automation": None,
        "owners": ["team:retail"],
        "tags": {"domain": "sales"},
        "kinds": ["typescript", "duckdb"],
        "group": "retail",
        "pool": None,
        "retry": None,
        "timeout_seconds": 600,
        "exclusive": None,
        "incremental": False,
        "each": False,
        "partition_mappings": [],
        "max_partitions_per_run": None,
        "code_version": "abc",
        "sources": [{"file": f"assets/retail/{name}.ts", "line": 5}, {"file": f"sql/retail/{name}.sql", "line": 1}],
        **changes,
    }


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write a project's manifest."""

    def write(*assets: dict[str, Any], faults: list[dict[str, Any]] | None = None) -> Path:
        document = {
            "version": 1,
            "source_digest": "00",
            "assets": list(assets),
            "schedules": [],
            "sensors": [],
            "faults": faults or [],
        }
        (tmp_path / "manifest.json").write_text(json.dumps(document))
        return tmp_path

    return write


def asset_of(defs: dg.Definitions, key: dg.AssetKey = KEY) -> dg.AssetsDefinition:
    return defs.resolve_assets_def(key)


def spec_of(defs: dg.Definitions, key: dg.AssetKey = KEY) -> dg.AssetSpec:
    return asset_of(defs, key).get_asset_spec(key)


def test_an_asset_shows_everything_that_its_file_declares(project: Any) -> None:
    folder = project(declared("raw"), declared("orders", deps=[["retail", "raw"]]))
    spec = spec_of(TypeScriptAssetsComponent().build_project_defs(folder))
    assert [dep.asset_key for dep in spec.deps] == [RAW]
    assert spec.description == "All orders."
    assert spec.owners == ["team:retail"]
    assert spec.kinds == {"typescript", "duckdb"}
    assert spec.tags["domain"] == "sales"
    assert spec.group_name == "retail"
    assert spec.code_version == "abc"
    assert spec.metadata["dagster/table_name"] == "retail.orders"
    columns = spec.metadata["dagster/column_schema"].columns
    assert [(c.name, c.type, c.description) for c in columns] == [
        ("id", "VARCHAR", "The id"),
        ("note", "VARCHAR", None),
    ]
    assert [(c.constraints.nullable, c.constraints.unique) for c in columns] == [(False, True), (True, False)]
    references = spec.metadata["dagster/code_references"].code_references
    assert [(r.file_path, r.line_number) for r in references] == [
        (str(folder / "assets/retail/orders.ts"), 5),
        (str(folder / "sql/retail/orders.sql"), 1),
    ]


def test_one_asset_is_one_step_with_its_limits(project: Any) -> None:
    retry = {"max_retries": 3, "delay_seconds": 2, "backoff": "exponential", "jitter": "plus_minus"}
    folder = project(declared("orders", pool="api", exclusive="duckdb:warehouse", retry=retry))
    op = asset_of(TypeScriptAssetsComponent().build_project_defs(folder)).op
    assert op.name == "retail__orders"
    assert op.pool == "api"
    assert op.tags[EXCLUSIVE_TAG] == "duckdb:warehouse"
    assert op.retry_policy == dg.RetryPolicy(3, 2, dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS)


def test_checks_block_as_declared_and_say_how_severe_they_are(project: Any) -> None:
    check = {"kind": "unique", "columns": ["id"], "description": "Each id once."}
    folder = project(
        declared(
            "orders",
            checks=[
                {"name": "unique_id", "severity": "ERROR", "blocking": True, **check},
                {"name": "no_outliers", "severity": "WARN", "blocking": False, **check},
            ],
        )
    )
    specs = {spec.name: spec for spec in asset_of(TypeScriptAssetsComponent().build_project_defs(folder)).check_specs}
    assert {name: spec.blocking for name, spec in specs.items()} == {"unique_id": True, "no_outliers": False}
    assert specs["no_outliers"].metadata["severity"] == "WARN"
    assert specs["unique_id"].description == "Each id once."


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hourly", dg.HourlyPartitionsDefinition("2017-01-01-00:00", timezone="Europe/Berlin")),
        ("daily", dg.DailyPartitionsDefinition("2017-01-01", timezone="Europe/Berlin")),
        ("weekly", dg.WeeklyPartitionsDefinition("2017-01-01", timezone="Europe/Berlin")),
        ("monthly", dg.MonthlyPartitionsDefinition("2017-01-01", timezone="Europe/Berlin")),
    ],
)
def test_partitions_by_time_are_dagsters_and_backfill_in_one_run(project: Any, kind: str, expected: Any) -> None:
    start = "2017-01-01-00:00" if kind == "hourly" else "2017-01-01"
    partitions = {"kind": kind, "column": "day", "start": start, "end": None, "timezone": "Europe/Berlin"}
    asset = asset_of(TypeScriptAssetsComponent().build_project_defs(project(declared("orders", partitions=partitions))))
    assert asset.partitions_def == expected
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_static_and_dynamic_partitions_are_dagsters(project: Any) -> None:
    defs = TypeScriptAssetsComponent().build_project_defs(
        project(
            declared("raw", partitions={"kind": "static", "column": "kind", "keys": ["a", "b"]}),
            declared("orders", partitions={"kind": "dynamic", "column": "tenant", "name": "tenants"}),
        )
    )
    assert asset_of(defs, RAW).partitions_def == dg.StaticPartitionsDefinition(["a", "b"])
    assert asset_of(defs).partitions_def == dg.DynamicPartitionsDefinition(name="tenants")


def test_freshness_is_dagsters(project: Any) -> None:
    cron = {"kind": "cron", "deadline_cron": "0 6 * * *", "timezone": "UTC", "lower_bound_seconds": 3600}
    defs = TypeScriptAssetsComponent().build_project_defs(
        project(
            declared("raw", freshness={"kind": "time_window", "fail_seconds": 90000, "warn_seconds": None}),
            declared("orders", freshness=cron),
        )
    )
    assert spec_of(defs, RAW).freshness_policy == dg.FreshnessPolicy.time_window(timedelta(hours=25))
    assert spec_of(defs).freshness_policy == dg.FreshnessPolicy.cron("0 6 * * *", timedelta(hours=1), "UTC")


class Automated:
    """`retail/orders` with an automation, downstream of `retail/raw`, and its ticks."""

    def __init__(self, project: Any, automation: dict[str, Any], instance: dg.DagsterInstance) -> None:
        folder = project(declared("raw"), declared("orders", deps=[["retail", "raw"]], automation=automation))
        self.defs = TypeScriptAssetsComponent().build_project_defs(folder)
        self.instance = instance
        self.now = datetime(2017, 1, 1, 12, tzinfo=timezone.utc)
        self.cursor: Any = None

    def publish(self, key: dg.AssetKey, version: str) -> None:
        tags = {"dagster/data_version": version}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))

    def asks(self, hours: float = 0) -> bool:
        self.now += timedelta(hours=hours)
        result = dg.evaluate_automation_conditions(
            self.defs, self.instance, cursor=self.cursor, evaluation_time=self.now
        )
        self.cursor = result.cursor
        return result.get_num_requested(ORDERS) > 0


def test_eager_assets_wake_for_changed_data_only_and_have_a_running_sensor(project: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick = Automated(project, {"kind": "eager"}, instance)
        (sensor,) = tick.defs.sensors or []
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert not tick.asks()
        tick.publish(RAW, "1")
        assert tick.asks()
        tick.publish(ORDERS, "1")
        assert not tick.asks()
        tick.publish(RAW, "1")
        assert not tick.asks()
        tick.publish(RAW, "2")
        assert tick.asks()


def test_a_missing_asset_is_asked_for_once_when_what_it_reads_is_there(project: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick = Automated(project, {"kind": "missing"}, instance)
        assert [tick.asks(), tick.asks()] == [False, False]
        tick.publish(RAW, "1")
        assert [tick.asks(), tick.asks()] == [True, False]
        tick.publish(ORDERS, "1")
        tick.publish(RAW, "2")
        assert not tick.asks()


def test_an_asset_on_cron_waits_for_what_it_reads_to_be_updated(project: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tick = Automated(project, {"kind": "cron", "cron": "0 6 * * *", "timezone": "Europe/Berlin"}, instance)
        assert not tick.asks()
        tick.publish(RAW, "1")
        # At five it is six in Berlin.
        assert [tick.asks(hours=16.9), tick.asks(hours=0.2)] == [False, False]
        tick.publish(RAW, "1")
        assert [tick.asks(), tick.asks()] == [True, False]


def test_a_project_without_automation_has_no_sensor(project: Any) -> None:
    assert not TypeScriptAssetsComponent().build_project_defs(project(declared("orders"))).sensors


def test_names_that_look_alike_get_steps_of_their_own(project: Any) -> None:
    alike = [{**declared("b"), "key": key} for key in (["a", "b__c"], ["a__b", "c"])]
    defs = TypeScriptAssetsComponent().build_project_defs(project(*alike))
    names = {asset.op.name for asset in defs.resolve_asset_graph().assets_defs}
    assert len(names) == 2


class Prefixed(TypeScriptAssetsTranslator):
    """Puts all assets under one prefix."""

    def get_asset_key(self, key: tuple[str, ...]) -> dg.AssetKey:
        return dg.AssetKey(["shop", *key])

    def get_asset_spec(self, asset: ManifestAsset) -> dg.AssetSpec:
        return super().get_asset_spec(asset).replace_attributes(owners=["team:platform"])


class PrefixedComponent(TypeScriptAssetsComponent):
    """Uses the translator above."""

    def get_translator(self, project_dir: Path) -> TypeScriptAssetsTranslator:
        return Prefixed(project_dir)


def test_a_translator_renames_assets_and_their_dependencies(project: Any) -> None:
    defs = PrefixedComponent().build_project_defs(
        project(declared("raw"), declared("orders", deps=[["retail", "raw"], ["other", "thing"]]))
    )
    spec = spec_of(defs, dg.AssetKey(["shop", "retail", "orders"]))
    assert [dep.asset_key.path for dep in spec.deps] == [["shop", "retail", "raw"], ["shop", "other", "thing"]]
    assert spec.owners == ["team:platform"]


def load(project_dir: Path, attributes: dict[str, Any]) -> dg.Definitions:
    """Load the component from a `defs.yaml` in somebody's project."""
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            TypeScriptAssetsComponent,
            defs_yaml_contents={
                "type": "dagster_project.TypeScriptAssetsComponent",
                "attributes": {"project_dir": str(project_dir), **attributes},
            },
        )
        with sandbox.load_component_and_build_defs(defs_path=path) as (component, defs):
            assert isinstance(component, TypeScriptAssetsComponent)
            return defs


def test_translation_in_yaml_changes_specs_and_dependencies_follow(project: Any) -> None:
    folder = project(declared("raw"), declared("orders", deps=[["retail", "raw"]]))
    translation = {
        "key_prefix": "warehouse",
        "group_name": "{{ asset.group }}_ts",
        "tags": {"body": "{{ asset.body }}"},
        "owners": ["team:{{ asset.table.schema }}-owners"],
    }
    defs = load(folder, {"translation": translation})
    spec = spec_of(defs, dg.AssetKey(["warehouse", "retail", "orders"]))
    assert [dep.asset_key.path for dep in spec.deps] == [["warehouse", "retail", "raw"]]
    assert spec.group_name == "retail_ts"
    assert {"domain": "sales", "body": "query"}.items() <= spec.tags.items()
    assert spec.owners == ["team:retail-owners"]


def test_op_options_in_yaml_are_the_defaults_of_every_step(project: Any) -> None:
    daily = {"kind": "daily", "column": "day", "start": "2017-01-01", "end": None, "timezone": "UTC"}
    folder = project(declared("raw", pool="api"), declared("orders", partitions=daily))
    policy = {"type": "multi_run", "max_partitions_per_run": 30}
    defs = load(folder, {"op": {"pool": "warehouse", "tags": {"size": "small"}, "backfill_policy": policy}})
    assert asset_of(defs).op.pool == "warehouse"
    assert asset_of(defs, RAW).op.pool == "api"
    assert asset_of(defs).op.tags["size"] == "small"
    assert asset_of(defs).backfill_policy == dg.BackfillPolicy.multi_run(30)


@pytest.mark.parametrize(
    "executor", [dg.in_process_executor, dg.multiprocess_executor, threaded_executor], ids=lambda e: e.name
)
def test_the_component_lets_the_location_choose_its_executor(project: Any, executor: dg.ExecutorDefinition) -> None:
    defs = dg.Definitions.merge(
        TypeScriptAssetsComponent().build_project_defs(project(declared("orders"))), dg.Definitions(executor=executor)
    )
    assert defs.resolve_implicit_global_asset_job_def().executor_def == executor


FAULT = {
    "code": "unknown_reference",
    "asset": ["retail", "orders"],
    "file": "assets/retail/orders.ts",
    "line": 3,
    "message": "retail/nothing is not an asset",
}


def test_a_faulty_asset_is_a_placeholder_and_breaks_nothing_else(
    project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = project(declared("raw"), declared("report", deps=[["retail", "orders"]]), faults=[FAULT])
    defs = TypeScriptAssetsComponent().build_project_defs(folder)
    spec = spec_of(defs)
    assert "fault" in spec.kinds
    assert "assets/retail/orders.ts:3: retail/nothing is not an asset" in str(spec.description)
    report = spec_of(defs, dg.AssetKey(["retail", "report"]))
    assert [dep.asset_key for dep in report.deps] == [KEY]
    assert "assets/retail/orders.ts:3: retail/nothing is not an asset" in caplog.text
    result = dg.materialize([asset_of(defs)], raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    assert "retail/nothing is not an asset" in str(failure.step_failure_data.user_failure_data)


def test_all_faults_of_an_asset_are_on_one_placeholder(project: Any) -> None:
    folder = project(faults=[FAULT, {**FAULT, "line": 9, "message": "and another"}])
    spec = spec_of(TypeScriptAssetsComponent().build_project_defs(folder))
    assert "retail/nothing" in str(spec.description)
    assert "and another" in str(spec.description)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("assets/retail/torn.ts", ["retail", "torn"]),
        ("sql/retail/torn.duckdb.sql", ["retail", "torn_duckdb"]),
        ("assets/retail/it's; torn.ts", ["retail", "it_s_torn"]),
        ("package.json", ["package"]),
        ("assets/…/….ts", ["fault"]),
    ],
)
def test_a_faulty_file_is_a_placeholder_named_after_it(project: Any, file: str, key: list[str]) -> None:
    folder = project(faults=[{**FAULT, "asset": None, "file": file}])
    assert spec_of(TypeScriptAssetsComponent().build_project_defs(folder), dg.AssetKey(key)).kinds == {
        "typescript",
        "fault",
    }


def test_a_fault_beside_a_good_declaration_of_the_same_key_does_not_hide_it(project: Any) -> None:
    defs = TypeScriptAssetsComponent().build_project_defs(project(declared("orders"), faults=[FAULT]))
    assert "fault" not in spec_of(defs).kinds
    assert "fault" in spec_of(defs, dg.AssetKey(["retail", "orders__fault"])).kinds


def test_faults_fail_the_validation_of_definitions(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEFS_VALIDATION_CLI", "1")
    with pytest.raises(FaultyDeclarationsError, match=r"orders\.ts:3: retail/nothing is not an asset"):
        TypeScriptAssetsComponent().build_project_defs(project(faults=[FAULT]))


def test_what_dagster_refuses_in_one_declaration_is_a_fault_of_that_one(project: Any) -> None:
    folder = project(declared("raw"), declared("orders", owners=["nobody at all"], automation={"kind": "eager"}))
    defs = TypeScriptAssetsComponent().build_project_defs(folder)
    assert "fault" not in spec_of(defs, RAW).kinds
    assert "assets/retail/orders.ts:5: Dagster refuses it" in str(spec_of(defs).description)
    assert "nobody at all" in str(spec_of(defs).description)


def test_the_options_of_the_component_are_described_for_editors() -> None:
    model = TypeScriptAssetsComponent.get_model_cls()
    assert model is not None
    schema = model.model_json_schema()
    assert {"project_dir", "translation", "op"} <= set(schema["properties"])
    assert "relative to the Dagster project" in schema["properties"]["project_dir"]["description"]


DAILY = {"kind": "daily", "column": "day", "start": "2017-01-01", "end": None, "timezone": "America/New_York"}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"kind": "all"}, dg.AllPartitionMapping()),
        ({"kind": "last"}, dg.LastPartitionMapping()),
        ({"kind": "offset", "start": -1, "end": 0}, dg.TimeWindowPartitionMapping(start_offset=-1)),
        ({"kind": "keys", "keys": ["2017-01-01"]}, dg.SpecificPartitionsPartitionMapping(["2017-01-01"])),
    ],
    ids=["all", "last", "offset", "keys"],
)
def test_a_partition_reads_the_partitions_that_its_file_says(project: Any, mapping: Any, expected: Any) -> None:
    mapped = {**mapping, "asset": ["retail", "raw"]}
    orders = declared("orders", deps=[["retail", "raw"]], partitions=DAILY, partition_mappings=[mapped])
    folder = project(declared("raw", partitions=DAILY), orders)
    [dep] = spec_of(TypeScriptAssetsComponent().build_project_defs(folder)).deps
    assert dep.partition_mapping == expected


def test_hours_roll_up_to_the_days_of_a_clock_and_to_all_time_without_a_word(project: Any) -> None:
    hours = {**DAILY, "kind": "hourly", "start": "2017-01-01-00:00"}
    days = declared("orders", deps=[["retail", "raw"]], partitions=DAILY)
    ever = declared("ever", deps=[["retail", "orders"]])
    folder = project(declared("raw", partitions=hours), days, ever)
    graph = TypeScriptAssetsComponent().build_project_defs(folder).resolve_asset_graph()
    parents = graph.get(KEY).partition_mappings
    mapping = parents.get(RAW) or dg.TimeWindowPartitionMapping()
    daily, hourly = (graph.get(key).partitions_def for key in (KEY, RAW))
    assert daily is not None
    assert hourly is not None
    keys = mapping.get_upstream_mapped_partitions_result_for_partitions(
        daily.subset_with_partition_keys(["2017-03-12"]), daily, hourly
    ).partitions_subset.get_partition_keys()
    # The day on which clocks go forward.
    assert len(list(keys)) == 23


def cells(keys: dict[str, Any], **time: Any) -> dict[str, Any]:
    days = {**DAILY, "timezone": "UTC", "end": "2017-01-04", **time}
    return {"kind": "two_dimensional", "time": days, "keys": {"kind": "static", "column": "shop", **keys}}


A_B = {"keys": ["a", "b"]}
TWO = cells(A_B)
DAYS = TWO["time"]


def by_dimension(same_keys: bool = True, **changes: Any) -> list[dict[str, Any]]:
    offset = {"time": "offset", "start": 0, "end": 0}
    return [{"kind": "dimensions", "asset": ["retail", "raw"], "same_keys": same_keys, **offset, **changes}]


def test_the_time_comes_first_in_the_key_of_a_cell_whatever_its_columns_are_called(project: Any) -> None:
    other = cells(A_B, column="a_day")
    other["keys"]["column"] = "a_shop"
    folder = project(declared("raw", partitions=other), declared("orders", partitions=TWO))
    defs = TypeScriptAssetsComponent().build_project_defs(folder)
    mine = asset_of(defs).partitions_def
    assert mine == asset_of(defs, RAW).partitions_def
    assert mine is not None
    assert list(mine.get_partition_keys())[:3] == ["2017-01-01|a", "2017-01-01|b", "2017-01-02|a"]


SECOND = "2017-01-02"


@pytest.mark.parametrize(
    ("upstream", "downstream", "mappings", "reads", "read_by"),
    [
        (TWO, TWO, [], (f"{SECOND}|a", {f"{SECOND}|a"}), (f"{SECOND}|a", {f"{SECOND}|a"})),
        (DAYS, TWO, [], (f"{SECOND}|a", {SECOND}), (SECOND, {f"{SECOND}|a", f"{SECOND}|b"})),
        (TWO, DAYS, [], (SECOND, {f"{SECOND}|a", f"{SECOND}|b"}), (f"{SECOND}|a", {SECOND})),
        (TWO, TWO["keys"], [], ("a", {f"2017-01-0{day}|a" for day in (1, 2, 3)}), (f"{SECOND}|a", {"a"})),
        (
            TWO,
            cells(A_B, start="2016-12-31"),
            by_dimension(),
            (f"{SECOND}|a", {f"{SECOND}|a"}),
            (f"{SECOND}|a", {f"{SECOND}|a"}),
        ),
        (
            TWO,
            cells({"keys": ["x", "y"]}),
            by_dimension(same_keys=False),
            (f"{SECOND}|x", {f"{SECOND}|a", f"{SECOND}|b"}),
            (f"{SECOND}|a", {f"{SECOND}|x", f"{SECOND}|y"}),
        ),
        (
            TWO,
            TWO,
            by_dimension(start=-1),
            (f"{SECOND}|a", {"2017-01-01|a", f"{SECOND}|a"}),
            (f"{SECOND}|a", {f"{SECOND}|a", "2017-01-03|a"}),
        ),
        (TWO, TWO, by_dimension(time="last"), (f"{SECOND}|a", {"2017-01-03|a"}), (f"{SECOND}|a", set[str]())),
    ],
    ids=["same", "days", "to days", "to keys", "other start", "other keys", "offset", "last"],
)
def test_cells_read_those_of_the_same_time_and_key(
    project: Any,
    upstream: Any,
    downstream: Any,
    mappings: Any,
    reads: tuple[str, set[str]],
    read_by: tuple[str, set[str]],
) -> None:
    orders = declared("orders", deps=[["retail", "raw"]], partitions=downstream, partition_mappings=mappings)
    folder = project(declared("raw", partitions=upstream), orders)
    graph = TypeScriptAssetsComponent().build_project_defs(folder).resolve_asset_graph()
    graph.validate_partitions()
    mapping = graph.get_partition_mapping(KEY, RAW)
    mine, other = (graph.get(key).partitions_def for key in (KEY, RAW))
    assert mine is not None
    assert other is not None
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        mine.subset_with_partition_keys([reads[0]]), mine, other
    )
    assert set(found.partitions_subset.get_partition_keys()) == reads[1]
    readers = mapping.get_downstream_partitions_for_partitions(
        other.subset_with_partition_keys([read_by[0]]), other, mine
    )
    assert set(readers.get_partition_keys()) == read_by[1]


def test_cells_are_backfilled_late_too_when_data_changes(project: Any) -> None:
    def condition(partitions: dict[str, Any]) -> Any:
        folder = project(declared("orders", partitions=partitions, automation={"kind": "eager"}))
        spec = spec_of(TypeScriptAssetsComponent().build_project_defs(folder))
        return spec.automation_condition  # pyright: ignore[reportUnknownVariableType]

    assert condition(TWO) == condition(DAYS)
    assert condition(TWO) != condition(TWO["keys"])


def test_a_long_backfill_is_cut_where_the_file_says(project: Any) -> None:
    folder = project(declared("orders", partitions=DAILY, max_partitions_per_run=30))
    policy = asset_of(TypeScriptAssetsComponent().build_project_defs(folder)).backfill_policy
    assert policy == dg.BackfillPolicy.multi_run(30)
