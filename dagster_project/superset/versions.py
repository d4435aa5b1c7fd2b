"""Which data an asset holds, as Dagster has recorded it."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG, extract_data_version_from_entry

_PAGE = 100


@dataclass(frozen=True)
class PublishedVersion:
    """The latest materialization of an asset."""

    data_version: str
    """Of the whole table; changes with the content of any partition."""
    run_id: str
    at: str
    was_other: bool = False
    """Whether the table has held other data since its dataset was synced, although it holds the same again now."""


def latest_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> PublishedVersion | None:
    """Return what an asset holds; ``None`` before its first materialization."""
    entry = instance.get_latest_materialization_event(key)
    if entry is None or entry.dagster_event is None:
        return None
    at = datetime.fromtimestamp(entry.timestamp, tz=timezone.utc).isoformat()
    if entry.dagster_event.partition is None:
        version = extract_data_version_from_entry(entry)
        # Without a version of its own, every materialization counts as a change.
        return PublishedVersion(entry.run_id if version is None else version.value, entry.run_id, at)
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    versions = sorted((partition, found.get(DATA_VERSION_TAG, "")) for partition, found in tags.items())
    digest = hashlib.sha256(json.dumps(versions).encode()).hexdigest()
    return PublishedVersion(digest[:32], entry.run_id, at)


def recorded_version(instance: dg.DagsterInstance, table: dg.AssetKey, dataset: dg.AssetKey) -> PublishedVersion | None:
    """Return what a table holds, as its dataset has to know it; ``None`` before its first materialization.

    What Superset computed while the table held other data may still be in its cache when it holds the same again.
    """
    version = latest_version(instance, table)
    shown = materialization_metadata(instance, dataset)
    data, at = shown.get("table_data_version"), shown.get("table_published_at")
    if version is None or data is None or at is None or data.value != version.data_version:
        return version
    return replace(version, was_other=_was_other(instance, table, datetime.fromisoformat(str(at.value))))


def materialization_metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, dg.MetadataValue[Any]]:
    """Return what the latest materialization of an asset reported; nothing before the first."""
    entry = instance.get_latest_materialization_event(key)
    materialization = None if entry is None else entry.asset_materialization
    return {} if materialization is None else materialization.metadata


def _was_other(instance: dg.DagsterInstance, table: dg.AssetKey, since: datetime) -> bool:
    """Whether materializations after a moment do not all hold the same, each partition by itself."""
    records = dg.AssetRecordsFilter(asset_key=table, after_timestamp=since.timestamp())
    held: dict[str | None, str] = {}
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(records, limit=_PAGE, cursor=cursor)
        for record in page.records:
            version = extract_data_version_from_entry(record.event_log_entry)
            value = record.run_id if version is None else version.value
            if held.setdefault(record.partition_key, value) != value:
                return True
        if not page.has_more:
            return False
        cursor = page.cursor
