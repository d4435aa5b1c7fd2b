"""What Dagster tells the runtime about a step beyond the Pipes context."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from dagster_project.manifest import ManifestAsset
from dagster_project.selection import StepSelection
from dagster_project.superset.versions import recorded_version
from dagster_project.two_dimensions import TwoDimensions

FULL_REFRESH = "full_refresh"
REPLAY = "replay"
RESTORE = "restore"
MAX_OPEN_RUNS = 10_000
_PAGE = 100


def build_extras(
    context: dg.AssetExecutionContext, selection: StepSelection, asset: ManifestAsset | None = None
) -> dict[str, Any]:
    """Return the ``dagster_typescript`` extras of a step that materializes one asset, or checks its table.

    Args:
        context: Of the step.
        selection: What it was asked for.
        asset: The asset. Where its partitions are published each by itself, a re-execution resumes, as it takes only
            those that are not. What is in Superset is told which data the assets hold that it follows.
    """
    each = asset is not None and asset.each
    run = context.run
    root_run_id = run.root_run_id or run.run_id
    keys = _existing_partitions(context, selection)
    return {
        "dagster_typescript": {
            "root_run_id": root_run_id,
            "resume": not selection.checks_only
            and _is_again(context, root_run_id)
            and (each or not _was_reported(context, selection.asset_key, root_run_id, keys)),
            "checks_only": sorted(selection.check_names) if selection.checks_only else None,
            "open_run_ids": _open_run_ids(context.instance),
            **_partitions(context, keys),
            "full_refresh": _config(context).get(FULL_REFRESH) is True,
            "replay": _config(context).get(REPLAY) is True,
            "restore": list(_config(context).get(RESTORE, ())),
            "upstream": _upstream(context, selection, asset),
            "watchdog": True,
        }
    }


def _upstream(
    context: dg.AssetExecutionContext, selection: StepSelection, asset: ManifestAsset | None
) -> Mapping[str, Any] | None:
    if asset is None or asset.body != "superset":
        return None
    # In the order of the manifest; a translation may have renamed them.
    keys = [dep.asset_key for dep in context.assets_def.get_asset_spec(selection.asset_key).deps]
    found = {
        "/".join(name): recorded_version(context.instance, key, selection.asset_key)
        for name, key in zip(asset.deps, keys, strict=True)
    }
    return {name: None if version is None else asdict(version) for name, version in found.items()}


def _config(context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    return cast("Mapping[str, Any] | None", context.op_execution_context.op_config) or {}


def _open_run_ids(instance: dg.DagsterInstance) -> Sequence[str]:
    ids = instance.get_run_ids(filters=dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=MAX_OPEN_RUNS + 1)
    if len(ids) > MAX_OPEN_RUNS:
        # A shortened list would make the runtime take the staging of a living run for an orphan's.
        raise dg.Failure(
            f"more than {MAX_OPEN_RUNS} runs are queued or started; the runtime cannot tell which staging tables are"
            " still in use. Finish or cancel runs that hang.",
            allow_retries=False,
        )
    return ids


def _is_again(context: dg.AssetExecutionContext, root_run_id: str) -> bool:
    return context.retry_number > 0 or root_run_id != context.run.run_id


def _was_reported(
    context: dg.AssetExecutionContext, asset_key: dg.AssetKey, root_run_id: str, keys: Sequence[str] | None
) -> bool:
    """Whether an earlier run of the family reported this asset (for these partitions).

    If none did, one may have published without reporting it. If one did, the person who selected the asset again wants
    it computed again.
    """
    instance = context.instance
    root = instance.get_run_record_by_id(root_run_id)
    if root is None:
        return True
    family = _family_run_ids(instance, root_run_id)
    wanted = set(keys or ())
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset_key, after_timestamp=root.create_timestamp.timestamp() - 1),
            limit=_PAGE,
            cursor=cursor,
        )
        for record in page.records:
            if record.run_id in family and (not wanted or record.partition_key in wanted):
                return True
        if not page.has_more:
            return False
        cursor = page.cursor


def _family_run_ids(instance: dg.DagsterInstance, root_run_id: str) -> set[str]:
    descendants = instance.get_run_ids(filters=dg.RunsFilter(tags={"dagster/root_run_id": root_run_id}))
    return {root_run_id, *descendants}


def partition_keys(context: dg.AssetExecutionContext) -> Sequence[str] | None:
    """Return the partitions that a step computes; ``None`` without partitions."""
    if context.assets_def.partitions_def is None:
        return None
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    return list(context.partition_keys)


def _partitions(context: dg.AssetExecutionContext, keys: Sequence[str] | None) -> dict[str, Any]:
    key_range = None
    window = None
    windows = None
    values = None
    if keys:
        key_range = {"start": keys[0], "end": keys[-1]}
        windows, values = _dimensions(context.assets_def.partitions_def, keys)
        window = None if windows is None else _window(context.partition_time_window)
    return {
        "partition_keys": keys,
        "partition_key_range": key_range,
        "partition_time_window": window,
        "partition_windows": windows,
        "partition_values": values,
    }


def _existing_partitions(context: dg.AssetExecutionContext, selection: StepSelection) -> Sequence[str] | None:
    """Return the partitions of a step, which exist: Dagster takes any that a run is tagged with.

    Raises:
        dagster.Failure: that names one that does not.
    """
    definition = context.assets_def.partitions_def
    if definition is None or not (context.has_partition_key or context.has_partition_key_range):
        return None
    name = selection.asset_key.to_user_string()
    ends = context.partition_key_range
    with dg.partition_loading_context(dynamic_partitions_store=context.instance):
        # Those between two that exist do too.
        for key in (ends.start, ends.end):
            try:
                exists = definition.has_partition_key(key)
            except (dg.DagsterError, ValueError):
                # A text that is no time at all.
                exists = False
            if not exists:
                raise dg.Failure(f"{key[:100]!r} is no partition of {name}", allow_retries=False)
    keys = partition_keys(context)
    if not keys:
        raise dg.Failure(f"the partitions of the run of {name} end before they begin", allow_retries=False)
    return keys


def _dimensions(
    definition: dg.PartitionsDefinition[str] | None, keys: Sequence[str]
) -> tuple[Sequence[Mapping[str, str]] | None, Sequence[str] | None]:
    """Return the window of each partition, and the value of each; ``None`` where partitions are no times, no values."""
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return _windows(definition, keys), None
    if not isinstance(definition, dg.MultiPartitionsDefinition):
        return None, keys
    dimensions = TwoDimensions.of(definition)
    parts = dimensions.parts(definition, keys)
    return _windows(dimensions.time, [time for time, _ in parts]), [value for _, value in parts]


def _windows(definition: dg.TimeWindowPartitionsDefinition, keys: Sequence[str]) -> Sequence[Mapping[str, str]]:
    # With two dimensions, each time is there once for each key.
    windows = {key: _window(definition.time_window_for_partition_key(key)) for key in dict.fromkeys(keys)}
    return [windows[key] for key in keys]


def _window(window: dg.TimeWindow) -> Mapping[str, str]:
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}
