"""The promises that any implementation of Dagster Pipes keeps, each over every channel it is made for."""

# pyright: reportUnknownMemberType=false

from typing import Any

import dagster as dg
import pytest
from dagster import PipesTempFileContextInjector
from dagster._core.pipes.utils import PipesEnvContextInjector

from .conftest import RunStep, S3Injector, S3Reader

EXTRAS: list[dict[str, Any]] = [
    {"word": "one"},
    {"word": "one", "count": 7},
    {"word": "one", "count": 7, "list": [3, 2, 1]},
    {"word": "one", "count": 7, "list": [3, 2, 1], "nested": {"x": 1, "y": {"z": 2}}},
    {"word": "one", "count": 7, "list": [3, 2, 1], "nested": {"x": 1}, "nothing": None},
]
PAYLOADS: list[Any] = [*EXTRAS, 7, 2.5, "a word", [3, 2, 1]]

METADATA = {
    "text": dg.MetadataValue.text("some text"),
    "url": dg.MetadataValue.url("https://example.org/report"),
    "path": dg.MetadataValue.path("/srv/data"),
    "notebook": dg.MetadataValue.notebook("explore.ipynb"),
    "md": dg.MetadataValue.md("_slanted_"),
    "json": dg.MetadataValue.json({"list": [1, 2.5, None], "nested": {"deep": True}}),
    "float": dg.MetadataValue.float(3.0),
    "int": dg.MetadataValue.int(2**70),
    "yes": dg.MetadataValue.bool(True),
    "no": dg.MetadataValue.bool(False),
    "run": dg.MetadataValue.dagster_run("0b8ad7a5-6ad2-4e79-a8c6-7e6ee04c8b55"),
    "asset": dg.MetadataValue.asset(dg.AssetKey(["shop", "orders"])),
    "nothing": dg.MetadataValue.null(),
    "timestamp": dg.MetadataValue.timestamp(1767323045.0),
    "table": dg.MetadataValue.table(
        records=[dg.TableRecord({"id": 1, "name": "a"})],
        schema=dg.TableSchema([dg.TableColumn("id", "BIGINT")]),
    ),
    "schema": dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(
                    "id",
                    "BIGINT",
                    description="Key",
                    constraints=dg.TableColumnConstraints(nullable=False, unique=True, other=["> 0"]),
                )
            ]
        )
    ),
    "lineage": dg.MetadataValue.column_lineage(
        dg.TableColumnLineage({"id": [dg.TableColumnDep(dg.AssetKey(["shop", "orders"]), "order_id")]})
    ),
}


@pytest.mark.parametrize("extras", EXTRAS, ids=len)
@pytest.mark.parametrize("messages", ["file", "s3"])
@pytest.mark.parametrize("context", ["inline", "file", "s3"])
def test_context_and_messages_pass_over_each_pair_of_channels(
    run_step: RunStep, s3: Any, context: str, messages: str, extras: dict[str, Any]
) -> None:
    injectors = {
        "inline": PipesEnvContextInjector(),
        "file": PipesTempFileContextInjector(),
        "s3": S3Injector(s3, "pipes"),
    }
    outcome = run_step(
        "scenario.ts",
        {
            "contextFromS3": context == "s3",
            "messagesToS3": messages == "s3",
            "expectExtras": extras,
            "expectJobName": "__ephemeral_asset_job__",
            "customMessages": ["from the other side"],
            "materialization": {},
        },
        injector=injectors[context],
        reader=S3Reader(s3, "pipes") if messages == "s3" else None,
        extras=extras,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.custom_messages == ["from the other side"]
    assert outcome.opened
    assert outcome.closed
    assert len(outcome.results) == 1


@pytest.mark.parametrize("extras", EXTRAS, ids=len)
@pytest.mark.parametrize(
    "injector", [PipesEnvContextInjector(), PipesTempFileContextInjector()], ids=["inline", "file"]
)
def test_extras_arrive_as_they_were_given(run_step: RunStep, injector: Any, extras: dict[str, Any]) -> None:
    outcome = run_step("scenario.ts", {"expectExtras": extras}, injector=injector, extras=extras)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.closed


def test_an_error_arrives_with_its_name_message_stack_and_cause(run_step: RunStep) -> None:
    outcome = run_step("scenario.ts", {"fail": "something very bad"})
    assert outcome.returncode == 1
    error = outcome.closing_error
    assert error is not None
    assert (error["name"], error["message"]) == ("TypeError", "something very bad")
    assert any("scenario.ts" in line for line in error["stack"])
    assert error["cause"]["message"] == "the cause of it"


def test_log_lines_arrive_at_their_levels(run_step: RunStep, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run_step("scenario.ts", {"logEachLevel": True})
    assert outcome.closed
    lines = capfd.readouterr().err.splitlines()
    for level in ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]:
        assert any(f"said at {level}" in line and f" - {level} - " in line for line in lines)


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_a_custom_message_arrives_as_it_was_given(run_step: RunStep, payload: Any) -> None:
    outcome = run_step("scenario.ts", {"customMessages": ["before", payload]})
    assert outcome.custom_messages == ["before", payload]


@pytest.mark.parametrize("data_version", [None, "v7"])
@pytest.mark.parametrize("asset_key", [None, "orders"])
def test_a_materialization_arrives_with_its_version_and_every_type_of_metadata(
    run_step: RunStep, asset_key: str | None, data_version: str | None
) -> None:
    given = {"assetKey": asset_key, "dataVersion": data_version}
    outcome = run_step("scenario.ts", {"materialization": {key: v for key, v in given.items() if v is not None}})
    [materialization] = outcome.results
    assert isinstance(materialization, dg.MaterializeResult)
    assert materialization.asset_key == dg.AssetKey("orders")
    assert materialization.data_version == (None if data_version is None else dg.DataVersion(data_version))
    assert materialization.metadata == METADATA


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("severity", ["WARN", "ERROR"])
@pytest.mark.parametrize("asset_key", [None, "orders"])
def test_a_check_arrives_with_its_verdict_and_every_type_of_metadata(
    run_step: RunStep, asset_key: str | None, severity: str, passed: bool
) -> None:
    check = {"checkName": "fresh", "severity": severity, "passed": passed}
    outcome = run_step("scenario.ts", {"check": check if asset_key is None else {**check, "assetKey": asset_key}})
    [result] = outcome.results
    assert isinstance(result, dg.AssetCheckResult)
    assert (result.asset_key, result.check_name) == (dg.AssetKey("orders"), "fresh")
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity(severity))
    assert result.metadata == METADATA
