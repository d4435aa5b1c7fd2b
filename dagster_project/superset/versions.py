"""Which data an asset holds, as Dagster has recorded it."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG, extract_data_version_from_entry


@dataclass(frozen=True)
class PublishedVersion:
    """The latest materialization of an asset."""

    data_version: str
    """Of the whole table; changes with the content of any partition."""
    run_id: str
    at: str


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
