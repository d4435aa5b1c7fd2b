"""The manifest is built anew when a source changed, in development only, and otherwise left alone."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.manifest import ManifestError
from dagster_project.refresh import load_manifest, source_digest

ROOT = Path(__file__).parents[3]

# Writes a manifest with the digest of the real runtime, and counts how often it was asked.
BUILDER = """
import { appendFileSync, writeFileSync } from "node:fs";
appendFileSync("builds", "x");
if (process.env.BUILD_FAULT === "none written") { console.error("no such module"); process.exit(1); }
const faults = process.env.BUILD_FAULT
  ? [{ code: "x", asset: null, file: "assets/x.ts", line: 1, message: process.env.BUILD_FAULT }] : [];
const nothing = { assets: [], schedules: [], sensors: [] };
writeFileSync("manifest.json", JSON.stringify({ version: 1, source_digest: process.env.DIGEST, ...nothing, faults }));
process.exitCode = faults.length;
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_IS_DEV_CLI", raising=False)
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "manifest.ts").write_text(BUILDER)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    for file, content in (("assets/retail/b.ts", "b"), ("assets/a.ts", "a"), ("sql/retail/b.sql", "SELECT 1")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    monkeypatch.setenv("DIGEST", source_digest(tmp_path))
    return tmp_path


@pytest.fixture
def builds(project: Path) -> Callable[[], int]:
    return lambda: len((project / "builds").read_text()) if (project / "builds").exists() else 0


def test_a_missing_manifest_is_built_once(project: Path, builds: Callable[[], int]) -> None:
    load_manifest(project)
    load_manifest(project)
    assert builds() == 1


def test_in_production_an_old_manifest_is_kept(project: Path, builds: Callable[[], int]) -> None:
    load_manifest(project)
    (project / "assets" / "a.ts").write_text("changed")
    load_manifest(project)
    assert builds() == 1


def test_in_development_it_is_built_when_a_source_changes_and_only_then(
    project: Path, builds: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    load_manifest(project)
    (project / "assets" / "notes.md").write_text("no source")
    load_manifest(project)
    assert builds() == 1
    (project / "sql" / "retail" / "b.sql").write_text("SELECT 2")
    monkeypatch.setenv("DIGEST", source_digest(project))
    load_manifest(project)
    load_manifest(project)
    assert builds() == 2


def test_in_development_an_unreadable_manifest_is_built_anew(
    project: Path, builds: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    (project / "manifest.json").write_text('{"version": 0}')
    assert load_manifest(project).version == 1
    assert builds() == 1


def test_faulty_declarations_still_give_a_manifest(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_FAULT", "a cycle")
    assert [str(fault) for fault in load_manifest(project).faults] == ["assets/x.ts:1: a cycle"]


def test_a_build_that_writes_nothing_says_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_FAULT", "none written")
    with pytest.raises(ManifestError, match=r"(?s)exit code 1.*no such module"):
        load_manifest(project)


def test_every_change_of_a_source_changes_the_digest(project: Path) -> None:
    digests = {source_digest(project)}
    (project / "assets" / "a.ts").write_text("a ")
    digests.add(source_digest(project))
    (project / "assets" / "a.ts").rename(project / "assets" / "c.ts")
    digests.add(source_digest(project))
    (project / "assets" / "c.ts").unlink()
    digests.add(source_digest(project))
    assert len(digests) == 4


def test_the_digest_is_the_one_of_the_runtime(tmp_path: Path) -> None:
    sources = {"assets/retail/x.ts": "not even TypeScript(", "assets/y.ts": "", "sql/é/x.sql": "SELECT 'ü'"}
    for file, content in sources.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    node = ROOT / "node_modules" / ".bin" / "node"
    command = [node, ROOT / "runtime" / "manifest.ts", "--project", tmp_path]
    result = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert (tmp_path / "manifest.json").exists(), result.stderr
    assert json.loads((tmp_path / "manifest.json").read_text())["source_digest"] == source_digest(tmp_path)
