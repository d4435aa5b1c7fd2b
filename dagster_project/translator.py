"""From the manifest to Dagster's specs; override a method to change what Dagster sees."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import dagster as dg

from dagster_project.manifest import (
    CronAutomation,
    CronFreshness,
    DimensionsMapping,
    EagerAutomation,
    Key,
    KeysMapping,
    ManifestAsset,
    ManifestCheck,
    ManifestSource,
    MissingAutomation,
    OffsetMapping,
    PartitionMapping,
    Partitions,
    StaticPartitions,
    TimePartitions,
    TimeWindowFreshness,
    TwoDimensionalPartitions,
)
from dagster_project.superset.automation import when_upstream_changed
from dagster_project.superset.nodes import SNAPSHOT

# Conditions are for assets or checks; which, Dagster's annotations do not say in one way.
Automation: TypeAlias = dg.AutomationCondition[Any]

# The same names for all assets, so that two of the same partitions are equal whatever their columns are called; and in
# this order, which is Dagster's: a key is `2017-01-01|berlin`.
TIME_DIMENSION = "time"
KEY_DIMENSION = "value"

_TIME_PARTITIONS: Mapping[str, Callable[..., dg.PartitionsDefinition[str]]] = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "monthly": dg.MonthlyPartitionsDefinition,
}


class TypeScriptAssetsTranslator:
    """Says how a TypeScript asset looks in Dagster.

    Override ``get_asset_key`` to rename assets: their dependencies, checks and reports follow. Override
    ``get_asset_spec`` for anything else.
    """

    def __init__(self, project_dir: Path) -> None:
        """Take the folder to which the manifest's source positions are relative."""
        self.project_dir = project_dir

    def get_asset_key(self, key: Key) -> dg.AssetKey:
        """Return the Dagster key of an asset, whether it is in the manifest or only a dependency."""
        return dg.AssetKey(key)

    def get_asset_spec(self, asset: ManifestAsset) -> dg.AssetSpec:
        """Return the spec of an asset."""
        return dg.AssetSpec(
            key=self.get_asset_key(asset.key),
            deps=[self.get_asset_dep(asset, key) for key in asset.deps],
            description=asset.description,
            metadata=self.get_metadata(asset),
            group_name=asset.group,
            code_version=asset.code_version,
            owners=list(asset.owners),
            tags=asset.tags,
            kinds=set(asset.kinds),
            automation_condition=self.get_automation_condition(asset),
            partitions_def=self.get_partitions_def(asset),
            freshness_policy=self.get_freshness_policy(asset),
        )

    def get_asset_dep(self, asset: ManifestAsset, key: Key) -> dg.AssetDep:
        """Return the dependency of an asset on another, with the partitions that it reads of it."""
        mapping = next((one for one in asset.partition_mappings if one.asset == key), None)
        return dg.AssetDep(
            self.get_asset_key(key), partition_mapping=None if mapping is None else _partition_mapping(mapping)
        )

    def get_check_spec(self, asset: ManifestAsset, check: ManifestCheck, spec: dg.AssetSpec) -> dg.AssetCheckSpec:
        """Return the spec of a check; its name must stay."""
        return dg.AssetCheckSpec(
            name=check.name,
            asset=spec.key,
            description=check.description,
            blocking=check.blocking,
            metadata={"kind": check.kind, "columns": list(check.columns), "severity": check.severity},
            # So that each partition has a verdict of its own.
            partitions_def=spec.partitions_def,
        )

    def get_metadata(self, asset: ManifestAsset) -> Mapping[str, Any]:
        """Return what is known of an asset before it is materialized."""
        metadata: dict[str, Any] = {}
        if asset.columns:
            metadata["dagster/column_schema"] = _column_schema(asset)
        if asset.table is not None:
            metadata["dagster/table_name"] = f"{asset.table.schema}.{asset.table.name}"
        if asset.sources:
            metadata |= self.get_code_references(asset.sources)
        return metadata

    def get_code_references(self, sources: Sequence[ManifestSource]) -> Mapping[str, Any]:
        """Return the metadata with which the UI links to the files of a definition."""
        references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
            dg.LocalFileCodeReference(
                file_path=str(self.project_dir / source.file), line_number=source.line, label=source.file
            )
            for source in sources
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}

    def get_automation_condition(self, asset: ManifestAsset) -> Automation | None:
        """Return when Dagster should materialize an asset by itself."""
        by_time = isinstance(asset.partitions, TimePartitions | TwoDimensionalPartitions)
        match asset.automation:
            case EagerAutomation() if asset.body == "superset":
                return when_upstream_changed(self.get_asset_key(SNAPSHOT) if SNAPSHOT in asset.deps else None)
            case EagerAutomation():
                return _when_data_changed(by_time)
            case CronAutomation(cron=cron, timezone=timezone):
                return _on_cron(cron, timezone)
            case MissingAutomation():
                return _on_missing()
            case None:
                return None

    def get_partitions_def(self, asset: ManifestAsset) -> dg.PartitionsDefinition[str] | None:
        """Return the partitions of an asset."""
        return None if asset.partitions is None else _partitions_def(asset.partitions)

    def get_freshness_policy(self, asset: ManifestAsset) -> dg.FreshnessPolicy | None:
        """Return when an asset counts as stale."""
        match asset.freshness:
            case TimeWindowFreshness(fail_seconds=fail, warn_seconds=warn):
                return _fresh_within(fail, warn)
            case CronFreshness(deadline_cron=cron, timezone=timezone, lower_bound_seconds=bound):
                return dg.FreshnessPolicy.cron(cron, timedelta(seconds=bound), timezone)
            case None:
                return None

    def get_retry_policy(self, asset: ManifestAsset) -> dg.RetryPolicy | None:
        """Return how a failed step of an asset is retried."""
        if asset.retry is None:
            return None
        return dg.RetryPolicy(
            max_retries=asset.retry.max_retries,
            delay=asset.retry.delay_seconds,
            backoff=dg.Backoff[asset.retry.backoff.upper()] if asset.retry.backoff else None,
            jitter=dg.Jitter[asset.retry.jitter.upper()] if asset.retry.jitter else None,
        )


def rename_deps(spec: dg.AssetSpec, renamed: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.AssetSpec:
    """Let dependencies follow the assets that a translation has renamed."""
    if all(renamed.get(dep.asset_key, dep.asset_key) == dep.asset_key for dep in spec.deps):
        return spec
    return spec.replace_attributes(
        deps=[dep._replace(asset_key=renamed.get(dep.asset_key, dep.asset_key)) for dep in spec.deps]
    )


def _column_schema(asset: ManifestAsset) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=_constraints(column.nullable, column.unique),
            )
            for column in asset.columns
        ]
    )


# Equal parts are shared between assets: building a thousand conditions costs more than all the rest.


@cache
def _constraints(nullable: bool, unique: bool) -> dg.TableColumnConstraints:
    return dg.TableColumnConstraints(nullable=nullable, unique=unique)


@cache
def _when_data_changed(by_time: bool) -> Automation:
    """Like ``eager()``, but asleep when an upstream was materialized with the same data as before."""
    condition: Any = dg.AutomationCondition.eager()
    condition = condition.replace("newly_updated", dg.AutomationCondition.data_version_changed())
    # It would otherwise ask only for the latest partition, and late data would never get through.
    return condition.without(dg.AutomationCondition.in_latest_time_window()) if by_time else condition


@cache
def _on_cron(cron: str, timezone: str) -> Automation:
    return dg.AutomationCondition.on_cron(cron, timezone)


@cache
def _on_missing() -> Automation:
    """Like ``on_missing()``, which never asks for what was missing already when Dagster looked first."""
    when: Any = dg.AutomationCondition
    asked = when.newly_requested().since(when.missing().newly_true())
    # What remembers comes first: a condition after one that does not hold is not looked at.
    condition = when.in_latest_time_window() & ~asked & when.missing() & ~when.any_deps_missing() & ~when.in_progress()
    return condition.with_label("on_missing")


@cache
def _fresh_within(fail_seconds: float, warn_seconds: float | None) -> dg.FreshnessPolicy:
    warn = None if warn_seconds is None else timedelta(seconds=warn_seconds)
    return dg.FreshnessPolicy.time_window(timedelta(seconds=fail_seconds), warn)


def _partition_mapping(mapping: PartitionMapping) -> dg.PartitionMapping:
    if isinstance(mapping, OffsetMapping):
        return dg.TimeWindowPartitionMapping(start_offset=mapping.start, end_offset=mapping.end)
    if isinstance(mapping, KeysMapping):
        return dg.SpecificPartitionsPartitionMapping(list(mapping.keys))
    if isinstance(mapping, DimensionsMapping):
        return _dimensions_mapping(mapping)
    return dg.AllPartitionMapping() if mapping.kind == "all" else dg.LastPartitionMapping()


def _dimensions_mapping(mapping: DimensionsMapping) -> dg.PartitionMapping:
    by_dimension: dict[str, dg.PartitionMapping] = {
        TIME_DIMENSION: dg.LastPartitionMapping()
        if mapping.time == "last"
        else dg.TimeWindowPartitionMapping(start_offset=mapping.start, end_offset=mapping.end)
    }
    if mapping.same_keys:
        by_dimension[KEY_DIMENSION] = dg.IdentityPartitionMapping()
    return dg.MultiPartitionMapping(
        {name: dg.DimensionPartitionMapping(name, one) for name, one in by_dimension.items()}
    )


@cache
def _partitions_def(partitions: Partitions) -> dg.PartitionsDefinition[str]:
    if isinstance(partitions, TwoDimensionalPartitions):
        dimensions = {TIME_DIMENSION: partitions.time, KEY_DIMENSION: partitions.keys}
        return dg.MultiPartitionsDefinition({name: _partitions_def(one) for name, one in dimensions.items()})
    if isinstance(partitions, StaticPartitions):
        return dg.StaticPartitionsDefinition(list(partitions.keys))
    if isinstance(partitions, TimePartitions):
        return _TIME_PARTITIONS[partitions.kind](
            start_date=partitions.start, end_date=partitions.end, timezone=partitions.timezone
        )
    return dg.DynamicPartitionsDefinition(name=partitions.name)
