"""Partitions of two dimensions: a time, and keys.

Dagster reads a range of them as a rectangle: all times from that of its start to that of its end, with all keys from
the one to the other. So no stretch of their list is a range, unless it is a rectangle.
"""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.partitions.partition_key_range import PartitionKeyRange


@dataclass(frozen=True)
class TwoDimensions:
    """The dimensions of some partitions."""

    time_name: str
    time: dg.TimeWindowPartitionsDefinition
    key_name: str
    keys: dg.PartitionsDefinition[str]

    @classmethod
    def of(cls, definition: dg.MultiPartitionsDefinition) -> "TwoDimensions":
        """Return the dimensions of partitions, whatever they are called."""
        time_name = definition.time_window_dimension.name
        [key] = [one for one in definition.partitions_defs if one.name != time_name]
        return cls(time_name, definition.time_window_partitions_def, key.name, key.partitions_def)

    def key(self, time: str, key: str) -> str:
        """Return the name of a partition."""
        return str(dg.MultiPartitionKey({self.time_name: time, self.key_name: key}))

    def parts(self, definition: dg.MultiPartitionsDefinition, keys: Iterable[str]) -> list[tuple[str, str]]:
        """Return the time and the key of each partition."""
        found = (definition.get_partition_key_from_str(key).keys_by_dimension for key in keys)
        return [(one[self.time_name], one[self.key_name]) for one in found]

    def range_of(self, times: Sequence[str], keys: Sequence[str]) -> PartitionKeyRange:
        """Return the range of all these times with all these keys; both follow each other."""
        return PartitionKeyRange(self.key(times[0], keys[0]), self.key(times[-1], keys[-1]))


def all_partitions(definition: dg.MultiPartitionsDefinition, latest: bool) -> PartitionKeyRange | None:
    """Return the range of all partitions, or of all those of the latest time; ``None`` without any."""
    dimensions = TwoDimensions.of(definition)
    last = dimensions.time.get_last_partition_key()
    first = last if latest else dimensions.time.get_first_partition_key()
    keys = dimensions.keys.get_partition_keys()
    return None if first is None or last is None or not keys else dimensions.range_of([first, last], keys)


def rectangles(
    definition: dg.MultiPartitionsDefinition, partitions: Iterable[str], limit: int | None
) -> Iterator[PartitionKeyRange]:
    """Yield ranges that hold these partitions, each of them once and no others.

    Args:
        definition: Of the partitions.
        partitions: In any order.
        limit: Partitions of one range at most.
    """
    dimensions = TwoDimensions.of(definition)
    keys_of: dict[str, set[str]] = {}
    for time, key in dimensions.parts(definition, partitions):
        keys_of.setdefault(time, set()).add(key)
    times_with: dict[frozenset[str], list[str]] = {}
    for time, keys in keys_of.items():
        times_with.setdefault(frozenset(keys), []).append(time)
    for keys, times in times_with.items():
        for row in _stretches(dimensions.time, times):
            for column in _stretches(dimensions.keys, keys):
                wide = len(column) if limit is None else min(len(column), limit)
                tall = len(row) if limit is None else max(1, limit // len(column))
                for some_times in _cut(row, tall):
                    for some_keys in _cut(column, wide):
                        yield dimensions.range_of(some_times, some_keys)


def _stretches(definition: dg.PartitionsDefinition[str], keys: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield those of one dimension that follow each other."""
    for found in definition.empty_subset().with_partition_keys(keys).get_partition_key_ranges(definition):
        yield definition.get_partition_keys_in_range(found)


def _cut(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
