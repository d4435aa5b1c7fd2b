"""What happened to the assets that a sensor watches, told once each."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeAlias, cast

import dagster as dg
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.events.log import EventLogEntry
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from dagster_project.tick import TickError, WatchedMaterialization

_PAGE = 1_000

Record: TypeAlias = dg.EventLogRecord


@dataclass(frozen=True)
class _Place:
    """How far the materializations of one asset are told."""

    after: int
    """Storage id of the last one that was seen."""
    pending: Mapping[str, int] = field(default_factory=dict[str, int])
    """Runs that had not ended, and their first storage id: they may materialize the asset again."""


@dataclass(frozen=True)
class Events:
    """What a tick is told, and what to store once it has succeeded."""

    materializations: Sequence[WatchedMaterialization]
    places: Mapping[str, _Place]
    stored: str | None

    def next_cursor(self, cursor: str | None) -> str | None:
        """Return the text to store; ``None``: as it was."""
        if not self.places:
            return cursor
        kept = self.stored if cursor is None else cursor
        watched = {name: {"after": place.after, "pending": dict(place.pending)} for name, place in self.places.items()}
        return json.dumps({"cursor": kept, "watched": watched})


@dataclass(frozen=True)
class WatchedCursor:
    """The stored cursor of a sensor: its own, and how far the assets are told that it watches."""

    cursor: str | None
    assets: Mapping[str, dg.AssetKey]
    places: Mapping[str, _Place] = field(default_factory=dict[str, _Place])

    @staticmethod
    def read(text: str | None, assets: Mapping[str, dg.AssetKey]) -> "WatchedCursor":
        """Read what was stored; a sensor that watches nothing stores its own cursor as it is.

        Raises:
            TickError: if somebody has stored something else.
        """
        if not assets or not text:
            return WatchedCursor(text or None, assets)
        try:
            document: Any = json.loads(text)
            places = {
                str(name): _Place(int(place["after"]), {str(k): int(v) for k, v in place["pending"].items()})
                for name, place in document["watched"].items()
            }
            return WatchedCursor(cast("str | None", document["cursor"]), assets, places)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise TickError(
                "the stored cursor is not one of a sensor that watches assets: empty it in Dagster, and the sensor"
                " starts anew"
            ) from None

    def news(self, instance: dg.DagsterInstance) -> Events:
        """Return what is new since the last tick that succeeded; before the first, nothing is."""
        told: list[tuple[int, WatchedMaterialization]] = []
        places: dict[str, _Place] = {}
        for name, key in self.assets.items():
            place = self.places.get(name)
            if place is None:
                places[name] = _Place(_last_id(instance, key))
                continue
            told_now, places[name] = _news_of(instance, name, key, place)
            told.extend(told_now)
        told.sort(key=lambda one: one[0])
        return Events([event for _, event in told], places, self.cursor)


def _news_of(
    instance: dg.DagsterInstance, name: str, key: dg.AssetKey, place: _Place
) -> tuple[list[tuple[int, WatchedMaterialization]], _Place]:
    """Return what is to be told of one asset, and the place after it."""
    told: list[tuple[int, WatchedMaterialization]] = []
    pending: dict[str, int] = {}
    by_run: dict[str, list[Record]] = {}
    after = place.after
    for record in _records_after(instance, key, min([after, *(first - 1 for first in place.pending.values())])):
        by_run.setdefault(record.run_id, []).append(record)
        after = max(after, record.storage_id)
    for run_id, records in by_run.items():
        is_new = run_id in place.pending or records[-1].storage_id > place.after
        if run_id == RUNLESS_RUN_ID:
            told.extend(_told(instance, name, key, [one for one in records if one.storage_id > place.after]))
        elif is_new and not _has_ended(instance, run_id):
            pending[run_id] = records[0].storage_id
        elif is_new:
            told.extend(_told(instance, name, key, records))
    return told, _Place(after, pending)


def _told(
    instance: dg.DagsterInstance, name: str, key: dg.AssetKey, records: Sequence[Record]
) -> Iterator[tuple[int, WatchedMaterialization]]:
    """Yield the last materialization of each partition by one run."""
    by_partition: dict[str | None, list[Record]] = {}
    for record in records:
        by_partition.setdefault(record.partition_key, []).append(record)
    for partition, own in by_partition.items():
        before = instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=key,
                asset_partitions=None if partition is None else [partition],
                before_storage_id=own[0].storage_id,
            ),
            limit=1,
        ).records
        version = _version(own[-1].event_log_entry)
        old = _version(before[0].event_log_entry) if before else None
        at = datetime.fromtimestamp(own[-1].timestamp, timezone.utc).isoformat()
        changed = version is None or version != old
        yield (
            own[-1].storage_id,
            WatchedMaterialization(name, partition, version, changed, own[-1].run_id, at),
        )


def _last_id(instance: dg.DagsterInstance, key: dg.AssetKey) -> int:
    records = instance.fetch_materializations(key, limit=1).records
    return records[0].storage_id if records else 0


def _records_after(instance: dg.DagsterInstance, key: dg.AssetKey, after: int) -> Iterator[Record]:
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, after_storage_id=after), limit=_PAGE, cursor=cursor, ascending=True
        )
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.status in FINISHED_STATUSES


def _version(entry: EventLogEntry) -> str | None:
    version = extract_data_version_from_entry(entry)
    return None if version is None else version.value
