"""The `dg` commands in a project of its own, laid out as this repository is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BODIES = ROOT / "test/integration/dagster/fixtures/bodies"

Dg = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the Dagster side next to assets that behave as their names say."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "dagster_project", folder / "dagster_project", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(BODIES / "manifest.json", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "runtime").mkdir()
    shutil.copy(BODIES / "main.mjs", folder / "runtime" / "main.ts")
    return folder


@pytest.fixture
def dg(project: Path, tmp_path: Path) -> Dg:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": str(project),
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "dg"), *arguments]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def test_dg_list_defs_shows_assets_checks_and_sensors(dg: Dg) -> None:
    result = dg("list", "defs", "--json")
    assert result.returncode == 0, result.stderr
    listed = json.loads(result.stdout)
    assert "bodies/plain" in {asset["asset_key"] for asset in listed["assets"]}
    assert "bodies/plain:unique_id" in {check["key"] for check in listed["asset_checks"]}
    assert [sensor["name"] for sensor in listed["sensors"]] == ["typescript_automation"]


def test_dg_launch_succeeds_only_when_the_assets_do(dg: Dg) -> None:
    good = dg("launch", "--assets", "key:bodies/plain+")
    assert good.returncode == 0, good.stderr
    # plain, and the two that read it.
    assert good.stderr.count("ASSET_MATERIALIZATION") == 3
    bad = dg("launch", "--assets", "key:bodies/throws")
    assert bad.returncode != 0
    assert "the till is on fire" in bad.stderr


def test_dg_check_defs_fails_on_faults_and_names_their_place(dg: Dg, project: Path) -> None:
    good = dg("check", "defs")
    assert good.returncode == 0, good.stdout + good.stderr
    manifest = json.loads((project / "manifest.json").read_text())
    fault = {"code": "cycle", "asset": ["bodies", "x"], "file": "assets/x.ts", "line": 7, "message": "x reads itself"}
    (project / "manifest.json").write_text(json.dumps({**manifest, "faults": [fault]}))
    bad = dg("check", "defs")
    assert bad.returncode != 0
    assert "assets/x.ts:7: x reads itself" in bad.stdout + bad.stderr


def test_dg_finds_the_component(dg: Dg) -> None:
    result = dg("list", "components", "--json")
    assert result.returncode == 0, result.stderr
    assert "dagster_project.TypeScriptAssetsComponent" in result.stdout
