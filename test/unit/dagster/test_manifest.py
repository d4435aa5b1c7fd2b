"""The manifest is read exactly as its schema says, and a bad one says what is wrong with it."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dagster_project.manifest import ManifestError, parse_manifest, read_manifest
from dagster_project.manifest_schema import SCHEMA_PATH

SCHEMA: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())


def asset(**changes: Any) -> dict[str, Any]:
    return {
        "key": ["retail", "cleaned_events"],
        "body": "query",
        "store": "duckdb",
        "table": {"schema": "retail", "name": "cleaned_events"},
        "description": "Cleaned.",
        "deps": [["retail", "raw_events"]],
        "columns": [{"name": "id", "type": "VARCHAR", "nullable": False, "unique": True, "description": None}],
        "checks": [
            {
                "name": "unique_id",
                "kind": "unique",
                "columns": ["id"],
                "severity": "ERROR",
                "blocking": True,
                "description": "Once.",
            }
        ],
        "partitions": {"kind": "daily", "column": "day", "start": "2017-01-01", "end": None, "timezone": "UTC"},
        "freshness": {"kind": "time_window", "fail_seconds": 90000, "warn_seconds": 3600},
        "automation": {"kind": "eager"},
        "owners": ["team:retail"],
        "tags": {"domain": "sales"},
        "kinds": ["typescript"],
        "group": "retail",
        "pool": "api",
        "retry": {"max_retries": 2, "delay_seconds": 0.5, "backoff": "exponential", "jitter": "full"},
        "timeout_seconds": 600,
        "exclusive": "duckdb:warehouse",
        "incremental": True,
        "each": False,
        "partition_mappings": [],
        "max_partitions_per_run": None,
        "code_version": "abc",
        "sources": [{"file": "assets/retail/cleaned_events.ts", "line": 5}],
        **changes,
    }


def trigger(**changes: Any) -> dict[str, Any]:
    return {
        "key": ["retail", "inbox"],
        "description": "Looks into the inbox.",
        "assets": [["retail", "cleaned_events"]],
        "timeout_seconds": 20,
        "default_status": "running",
        "tags": {},
        "sources": [{"file": "assets/retail/inbox.ts", "line": 5}],
        **changes,
    }


def sensor(**changes: Any) -> dict[str, Any]:
    return trigger(**{"interval_seconds": 30, "watches": [], **changes})


def schedule(**changes: Any) -> dict[str, Any]:
    return trigger(**{"cron": "@daily", "timezone": "UTC", "partitions": "latest", "checks_only": False, **changes})


def two_dimensions(keys: dict[str, Any]) -> dict[str, Any]:
    time = {"kind": "daily", "column": "day", "start": "2017-01-01", "end": None, "timezone": "UTC"}
    return {"kind": "two_dimensional", "time": time, "keys": {"column": "kind", **keys}}


dimensions = {"kind": "dimensions", "asset": ["a", "b"], "time": "last", "start": 0, "end": 0, "same_keys": True}


def manifest(*assets: dict[str, Any]) -> dict[str, Any]:
    fault = {"code": "cycle", "asset": ["retail", "x"], "file": "assets/retail/x.ts", "line": 3, "message": "A cycle."}
    return {
        "version": 1,
        "source_digest": "00",
        "assets": list(assets),
        "schedules": [schedule(), schedule(partitions=None, default_status="stopped", tags={"domain": "sales"})],
        "sensors": [sensor(), sensor(watches=[["retail", "raw_events"]])],
        "faults": [fault, {**fault, "asset": None}],
    }


VALID = [
    manifest(asset()),
    manifest(
        asset(
            freshness={"kind": "cron", "deadline_cron": "0 6 * * *", "timezone": "UTC", "lower_bound_seconds": 3600},
            automation={"kind": "cron", "cron": "@daily", "timezone": "UTC"},
            partitions={"kind": "static", "column": "kind", "keys": ["a"]},
            **{name: None for name in ("store", "table", "pool", "retry", "exclusive")},
            **{name: [] for name in ("columns", "checks", "deps")},
        )
    ),
    manifest(asset(freshness=None, partitions={"kind": "dynamic", "column": "kind", "name": "kinds"})),
    manifest(asset(automation={"kind": "missing"}, partitions=None)),
    *(
        manifest(asset(partitions=two_dimensions(keys), partition_mappings=[dimensions]))
        for keys in ({"kind": "static", "keys": ["a"]}, {"kind": "dynamic", "name": "kinds"})
    ),
]


CHANGES: dict[str, Any] = {
    "null": None,
    "number": 3.5,
    "zero": 0,
    "text": "x y",
    "empty text": "",
    "truth": True,
    "list": [],
    "object": {},
    "kind": {"kind": "nonsense"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # pyright: ignore
    for key, item in items:
        yield from places(item, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def own_places(valid: Any) -> Iterator[tuple[Any, ...]]:
    """The places of a manifest, without those at which the first one holds the same: they are changed in that one."""
    for path in places(valid):
        try:
            is_own = valid is VALID[0] or at(VALID[0], path) != at(valid, path)
        except (KeyError, IndexError, TypeError):
            is_own = True
        if path and is_own:
            yield path


def mutants(valid: Any) -> Iterator[tuple[str, Any]]:
    """A valid manifest with one place changed, for every place of its own and several changes."""
    for path in own_places(valid):
        for label, change in CHANGES.items():
            mutant = copy.deepcopy(valid)
            at(mutant, path[:-1])[path[-1]] = change
            yield f"{label} at {path}", mutant
        mutant = copy.deepcopy(valid)
        target = at(mutant, path[:-1])
        del target[path[-1]]
        yield f"nothing at {path}", mutant
        if isinstance(target, dict):
            target["unheard_of"] = 1
            yield f"a stranger beside {path}", mutant


def is_readable(document: Any) -> bool:
    try:
        parse_manifest(json.dumps(document).encode())
    except ManifestError:
        return False
    return True


@pytest.mark.parametrize("valid", VALID)
def test_the_types_accept_exactly_what_the_schema_accepts(valid: Any) -> None:
    validator = Draft202012Validator(SCHEMA)
    assert is_readable(valid)
    is_valid: Any = validator.is_valid  # pyright: ignore
    disagreements = [label for label, mutant in mutants(valid) if is_valid(mutant) != is_readable(mutant)]
    assert disagreements == []


def test_a_manifest_is_read_into_types() -> None:
    first = parse_manifest(json.dumps(VALID[0]).encode()).assets[0]
    assert first.name == "retail/cleaned_events"
    assert first.columns[0].unique
    assert first.retry is not None
    assert first.retry.delay_seconds == 0.5


def test_all_faults_of_a_manifest_are_listed_in_one_message() -> None:
    bad = manifest(asset(body="magic", owners="nobody"), asset(partitions={"kind": "daily", "column": "day"}))
    with pytest.raises(ManifestError) as raised:
        parse_manifest(json.dumps(bad).encode(), "project/manifest.json")
    message = str(raised.value)
    assert message.startswith("project/manifest.json is not a manifest")
    assert "assets[0].body: 'magic' is not one of" in message
    assert "assets[0].owners: 'nobody' is not of type 'array'" in message
    assert "assets[1].partitions: 'start' is a required property" in message
    assert "node runtime/manifest.ts" in message


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    with pytest.raises(ManifestError, match="and 30 more"):
        parse_manifest(json.dumps(manifest(*[asset(body="magic")] * 50)).encode())


@pytest.mark.parametrize("content", [b"", b"{", b'{"version": 1', b"null", b"[]", b"\xff"])
def test_what_is_no_manifest_at_all_is_refused_with_a_message(content: bytes) -> None:
    with pytest.raises(ManifestError, match="is not a manifest"):
        parse_manifest(content)


def test_a_missing_manifest_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"write it with: node runtime/manifest\.ts"):
        read_manifest(tmp_path / "manifest.json")
