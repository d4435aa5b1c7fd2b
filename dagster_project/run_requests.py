"""From what a tick asks for to what Dagster launches."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.partitions.partition_key_range import PartitionKeyRange
from dagster._core.definitions.partitions.utils.multi import INVALID_STATIC_PARTITIONS_KEY_CHARACTERS
from dagster._core.instance.types import DynamicPartitionsStore
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._core.types.pagination import PaginatedResults

from dagster_project.tick import TickError, TickRange, TickResult, TickRun
from dagster_project.two_dimensions import rectangles

PartitionsRequest = dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest


@dataclass(frozen=True)
class Targets:
    """The assets that a sensor or schedule may launch, as Dagster knows them."""

    keys: Mapping[str, dg.AssetKey]
    """The name in TypeScript to the key in Dagster."""
    definitions: Mapping[dg.AssetKey, dg.AssetsDefinition]

    def partitions_of(self, keys: Sequence[dg.AssetKey]) -> dg.PartitionsDefinition[str] | None:
        """Return the partitions that some assets share; those without do not count.

        Raises:
            TickError: if they have different ones.
        """
        found = {definition: key for key in keys if (definition := self._specs_partitions(key)) is not None}
        if len(found) > 1:
            names = " and ".join(sorted(key.to_user_string() for key in found.values()))
            raise TickError(f"{names} have different partitions: ask for a run of each")
        return next(iter(found), None)

    def max_partitions_per_run(self, keys: Sequence[dg.AssetKey]) -> int | None:
        """Return how many partitions one run may take, as the assets' backfill policies say."""
        policies = (self.definitions[key].backfill_policy for key in keys if key in self.definitions)
        limits = [policy.max_partitions_per_run for policy in policies if policy is not None]
        return min((limit for limit in limits if limit is not None), default=None)

    def _specs_partitions(self, key: dg.AssetKey) -> dg.PartitionsDefinition[str] | None:
        definition = self.definitions.get(key)
        return None if definition is None else definition.get_asset_spec(key).partitions_def


class _AfterRequests(DynamicPartitionsStore):
    """The dynamic partitions as they will be, in the order in which a run will find them.

    Dagster's own class of this kind has no order, and a stretch of partitions is one of an order.
    """

    def __init__(self, instance: dg.DagsterInstance, requests: Sequence[PartitionsRequest]) -> None:
        self._instance = instance
        self._requests = requests

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        keys = dict.fromkeys(self._instance.get_dynamic_partitions(partitions_def_name))
        for request in self._requests:
            if request.partitions_def_name == partitions_def_name:
                for key in request.partition_keys:
                    if isinstance(request, dg.AddDynamicPartitionsRequest):
                        keys.setdefault(key)
                    else:
                        keys.pop(key, None)
        return list(keys)

    def get_paginated_dynamic_partitions(
        self, partitions_def_name: str, limit: int, ascending: bool, cursor: str | None = None
    ) -> PaginatedResults[str]:
        keys = self.get_dynamic_partitions(partitions_def_name)
        return PaginatedResults.create_from_sequence(keys, limit, ascending, cursor)

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        return partition_key in self.get_dynamic_partitions(partitions_def_name)

    def get_dynamic_partitions_definition_id(self, partitions_def_name: str) -> str:
        return self._instance.get_dynamic_partitions_definition_id(partitions_def_name)


def partitions_requests(result: TickResult, lists: Mapping[str, bool]) -> list[PartitionsRequest]:
    """Return the changes of dynamic partitions that a tick asks for.

    Args:
        result: Of the tick.
        lists: That there are, and whether each is one of two dimensions somewhere.

    Raises:
        TickError: if nobody would ever see a key: its list is of no asset, or Dagster leaves it out.
    """
    requests: list[PartitionsRequest] = []
    for kind, changes in (
        (dg.AddDynamicPartitionsRequest, result.add_partitions),
        (dg.DeleteDynamicPartitionsRequest, result.delete_partitions),
    ):
        for change in changes:
            if change.list not in lists:
                expected = f"expected one of {', '.join(sorted(lists))}" if lists else "there are none"
                raise TickError(f"no asset has the dynamic partitions {change.list!r}: {expected}")
            bad = [
                key for key in change.keys if lists[change.list] and INVALID_STATIC_PARTITIONS_KEY_CHARACTERS & {*key}
            ]
            if bad and kind is dg.AddDynamicPartitionsRequest:
                raise TickError(f"{bad[0]!r} for {change.list!r}: Dagster takes no |, comma, [ and ] in two dimensions")
            if change.keys:
                requests.append(kind(change.list, list(change.keys)))
    return requests


def run_requests(
    result: TickResult,
    targets: Targets,
    tags: Mapping[str, str],
    instance: dg.DagsterInstance,
    partitions: Sequence[PartitionsRequest] = (),
) -> list[dg.RunRequest]:
    """Return the runs that a tick asks for: one for each stretch of partitions that follow each other.

    Raises:
        TickError: if a partition does not exist.
    """
    store = _AfterRequests(instance, partitions)
    with dg.partition_loading_context(dynamic_partitions_store=store):
        return [request for run in result.runs for request in _requests_of(run, targets, tags)]


def of_checks_alone(request: dg.RunRequest, targets: Targets) -> dg.RunRequest:
    """Return the request for the checks of its assets, without the assets."""
    definitions = [targets.definitions[key] for key in request.asset_selection or () if key in targets.definitions]
    check_keys = sorted({key for definition in definitions for key in definition.check_keys})
    return request.with_replaced_attrs(asset_selection=[], asset_check_keys=check_keys)


def _requests_of(run: TickRun, targets: Targets, tags: Mapping[str, str]) -> Iterator[dg.RunRequest]:
    keys = [targets.keys[name] for name in run.assets]
    partitions_def = targets.partitions_of(keys)
    run_tags = {**tags, **run.tags}
    if partitions_def is None:
        if run.partition_keys is not None or run.partition_range is not None:
            raise TickError(f"a run of {', '.join(run.assets)} names partitions, and none of them has any")
        yield dg.RunRequest(run_key=run.run_key, run_config=run.run_config, tags=run_tags, asset_selection=keys)
        return
    ranges = list(_ranges(run, partitions_def, targets.max_partitions_per_run(keys)))
    for one in ranges:
        # Each run has a key of its own, and the same one whenever the same stretch is asked for again.
        part = "" if len(ranges) == 1 else f" {one.start}...{one.end}"
        yield dg.RunRequest(
            run_key=None if run.run_key is None else f"{run.run_key}{part}",
            run_config=run.run_config,
            tags=run_tags if one.start == one.end else {**run_tags, **_range_tags(one)},
            asset_selection=keys,
            partition_key=one.start if one.start == one.end else None,
        )


def _ranges(
    run: TickRun, partitions_def: dg.PartitionsDefinition[str], limit: int | None
) -> Iterator[PartitionKeyRange]:
    names = ", ".join(run.assets)
    if run.partition_range is not None:
        keys = _keys_of_range(run.partition_range, partitions_def, names)
        ranges = [PartitionKeyRange(run.partition_range.start, run.partition_range.end)]
    elif run.partition_keys is not None:
        for key in run.partition_keys:
            _require(key, partitions_def, names)
        keys = run.partition_keys
        ranges = None
    else:
        raise TickError(f"a run of {names} names no partitions")
    if isinstance(partitions_def, dg.MultiPartitionsDefinition):
        yield from rectangles(partitions_def, keys, limit)
        return
    if ranges is None:
        ranges = partitions_def.empty_subset().with_partition_keys(keys).get_partition_key_ranges(partitions_def)
    if limit is None or len(keys) <= limit:
        yield from ranges
        return
    for one in ranges:
        part = partitions_def.get_partition_keys_in_range(one)
        for start in range(0, len(part), limit):
            yield PartitionKeyRange(part[start], part[start : start + limit][-1])


def _keys_of_range(found: TickRange, partitions_def: dg.PartitionsDefinition[str], names: str) -> Sequence[str]:
    for key in (found.start, found.end):
        _require(key, partitions_def, names)
    keys = partitions_def.get_partition_keys_in_range(PartitionKeyRange(found.start, found.end))
    if not keys:
        raise TickError(f"{found.end!r} is before {found.start!r} in the partitions of {names}")
    return keys


def _require(key: str, partitions_def: dg.PartitionsDefinition[str], names: str) -> None:
    try:
        exists = partitions_def.has_partition_key(key)
    except (dg.DagsterError, ValueError):
        # A text that is no time at all.
        exists = False
    if not exists:
        raise TickError(f"{key!r} is no partition of {names}")


def _range_tags(one: PartitionKeyRange) -> Mapping[str, str]:
    return {ASSET_PARTITION_RANGE_START_TAG: one.start, ASSET_PARTITION_RANGE_END_TAG: one.end}
