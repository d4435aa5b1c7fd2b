"""Write the assets of a manifest as plain Python, a module for each schema: what people write without this project.

Not all in one module: Dagster warns of its beta parameters, and Python takes long to find the line in a large one.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(manifest: Path, package: Path, project: Path) -> None:
    """Write the package."""
    package.mkdir()
    assets = json.loads(manifest.read_text())["assets"]
    schemas = sorted({asset["key"][0] for asset in assets})
    for schema in schemas:
        own = [_asset(asset, project) for asset in assets if asset["key"][0] == schema]
        (package / f"{schema}.py").write_text(HEAD + "\n\n".join(own))
    (package / "__init__.py").write_text(_definitions(schemas))


HEAD = """from datetime import timedelta

import dagster as dg

# Shared where they are the same: a careful author would.
EAGER = dg.AutomationCondition.eager().replace("newly_updated", dg.AutomationCondition.data_version_changed())
FRESH = dg.FreshnessPolicy.time_window(timedelta(hours=25))
REQUIRED = dg.TableColumnConstraints(nullable=False)
UNIQUE = dg.TableColumnConstraints(nullable=False, unique=True)
OPTIONAL = dg.TableColumnConstraints(nullable=True)
RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)


"""


def _asset(asset: dict[str, Any], project: Path) -> str:
    key = asset["key"]
    columns = "".join(
        f"""                    dg.TableColumn(
                        name={column["name"]!r}, type={column["type"]!r},
                        description={column["description"]!r}, constraints={_constraints(column)},
                    ),
"""
        for column in asset["columns"]
    )
    references = "".join(
        f"""                    dg.LocalFileCodeReference(
                        file_path={str(project / source["file"])!r},
                        line_number={source["line"]},
                        label={source["file"]!r},
                    ),
"""
        for source in asset["sources"]
    )
    checks = "".join(
        f"""        dg.AssetCheckSpec(
            {check["name"]!r},
            asset=dg.AssetKey({key!r}),
            description={check["description"]!r},
            blocking={check["blocking"]},
            metadata={ {name: check[name] for name in ("kind", "columns", "severity")}!r},
        ),
"""
        for check in asset["checks"]
    )
    op_tags = (
        f"""
    op_tags={ {"dagster_typescript/exclusive": asset["exclusive"]}!r},"""
        if asset["exclusive"]
        else ""
    )
    return f"""@dg.multi_asset(
    name={"__".join(key)!r},
    specs=[
        dg.AssetSpec(
            key=dg.AssetKey({key!r}),
            deps=[{", ".join(f"dg.AssetKey({dep!r})" for dep in asset["deps"])}],
            description={asset["description"]!r},
            metadata={{
                "dagster/column_schema": dg.TableSchema(columns=[
{columns}                ]),
                "dagster/table_name": {".".join(key)!r},
                "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[
{references}                ]),
            }},
            group_name={asset["group"]!r},
            code_version={asset["code_version"]!r},
            owners={asset["owners"]!r},
            tags={asset["tags"]!r},
            kinds={set(asset["kinds"])!r},
            automation_condition=EAGER,
            freshness_policy=FRESH,
        )
    ],
    check_specs=[
{checks}    ],{op_tags}
    retry_policy=RETRY,
)
def {"__".join(key)}(context: dg.AssetExecutionContext):
    yield dg.MaterializeResult()
"""


def _constraints(column: dict[str, Any]) -> str:
    return "UNIQUE" if column["unique"] else "OPTIONAL" if column["nullable"] else "REQUIRED"


def _definitions(schemas: list[str]) -> str:
    return f"""import dagster as dg

from plain_definitions import {", ".join(schemas)}

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([{", ".join(schemas)}]),
    sensors=[
        dg.AutomationConditionSensorDefinition(
            name="typescript_automation",
            target=dg.AssetSelection.all(),
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=10,
        )
    ],
)
"""


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
