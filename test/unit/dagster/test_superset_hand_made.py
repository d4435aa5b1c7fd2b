"""Dashboards that people made in Superset stand in the graph, after the datasets that they show."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project import TypeScriptAssetsComponent
from dagster_project.superset.hand_made import HAND_MADE_FILE
from test.unit.dagster.test_superset import DATASET, project

BOARD: dict[str, Any] = {
    "id": 7,
    "key": ["superset", "by_hand", "my_sales_7"],
    "title": 'My "Sales"',
    "url": "http://127.0.0.1:8088/superset/dashboard/7/",
    "assets": ["retail/orders", "retail/gone"],
}
GONE: dict[str, Any] = {**BOARD, "id": 8, "key": ["superset", "by_hand", "old_8"], "assets": ["retail/gone"]}


def write(folder: Path, text: str) -> dg.Definitions:
    file = project(folder) / HAND_MADE_FILE
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return TypeScriptAssetsComponent().build_project_defs(folder)


def test_a_dashboard_made_by_hand_is_an_external_asset_after_its_datasets(tmp_path: Path) -> None:
    defs = write(tmp_path, json.dumps({"dashboards": [BOARD, GONE]}))
    graph = defs.resolve_asset_graph()
    node = graph.get(dg.AssetKey(BOARD["key"]))
    assert node.is_external
    assert node.parent_keys == {DATASET}
    assert node.metadata["dashboard"] == dg.MetadataValue.url(str(BOARD["url"]))
    # What it shows is fed by no asset any more.
    assert not graph.has(dg.AssetKey(GONE["key"]))


def test_a_list_that_cannot_be_read_breaks_nothing_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    defs = write(tmp_path, '{"dashboards": [')
    assert defs.resolve_asset_graph().has(DATASET)
    assert "materialize superset/hand_made" in caplog.text
