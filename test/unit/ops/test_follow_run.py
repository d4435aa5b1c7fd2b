"""The report of `npm start`, made from the events of real runs."""

import importlib.util
from pathlib import Path
from typing import Any

import dagster as dg

SOURCE = Path(__file__).parents[3] / "ops/start/follow_run.py"


def _follow_run() -> Any:
    spec = importlib.util.spec_from_file_location("follow_run", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec("holds", asset="published", blocking=True),
        dg.AssetCheckSpec("warns", asset="published"),
    ]
)
def published() -> Any:
    yield dg.MaterializeResult(
        metadata={"rows_written": 1469307, "dagster/table_name": "retail.published"},
        check_results=[
            dg.AssetCheckResult(check_name="holds", passed=True),
            dg.AssetCheckResult(check_name="warns", passed=False, severity=dg.AssetCheckSeverity.WARN),
        ],
    )


@dg.multi_asset(
    specs=[dg.AssetSpec("refused")], check_specs=[dg.AssetCheckSpec("bars", asset="refused", blocking=True)]
)
def refused() -> Any:
    yield dg.AssetCheckResult(check_name="bars", asset_key="refused", passed=False)
    raise dg.Failure("refused: bars found 3 rows", allow_retries=False)


@dg.asset(deps=[refused])
def downstream() -> None: ...


@dg.asset
def throws() -> None:
    raise ValueError("the reason")


def test_the_report_says_what_became_of_every_asset_and_check() -> None:
    follow_run = _follow_run()
    with dg.instance_for_test() as instance:
        result = dg.materialize([published, refused, downstream, throws], instance=instance, raise_on_error=False)
        records = instance.get_records_for_run(result.run_id).records
    report = follow_run.RunReport()
    for record in records:
        report.apply(record.event_log_entry)

    assert {name: asset.outcome for name, asset in report.assets.items()} == {
        "published": "published",
        "refused": "failed",
        "downstream": "not run",
        "throws": "failed",
    }
    good = report.assets["published"]
    assert (good.rows, good.table, good.checks_declared, good.checks_passed) == (1469307, "retail.published", 2, 1)
    assert good.warnings == ["warns"]
    assert good.seconds is not None
    assert report.assets["refused"].blocking_failures == ["bars"]
    assert "bars found 3 rows" in report.assets["refused"].message
    assert "the reason" in report.assets["throws"].message
