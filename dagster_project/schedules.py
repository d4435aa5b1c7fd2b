"""Dagster schedules for the schedules declared in TypeScript."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from dagster_project.manifest import Key, ManifestSchedule
from dagster_project.run_requests import Targets, of_checks_alone, run_requests
from dagster_project.tick import NodeEvaluator, TickInput, TickRange, TickResult, TickRun
from dagster_project.two_dimensions import all_partitions


def build_schedule(
    schedule: ManifestSchedule,
    name: str,
    evaluator: NodeEvaluator,
    targets: Callable[[], Targets],
    asset_key: Callable[[Key], dg.AssetKey],
    metadata: Mapping[str, Any],
) -> dg.ScheduleDefinition:
    """Return the schedule; only one with an ``evaluate`` of its own asks Node at each tick.

    Args:
        schedule: The declaration.
        name: Its name in Dagster.
        evaluator: Starts Node.
        targets: The assets of its runs.
        asset_key: The key in Dagster of an asset.
        metadata: Shown beside it.
    """

    @dg.schedule(
        name=name,
        description=schedule.description,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        target=dg.AssetSelection.assets(*(asset_key(key) for key in schedule.assets)),
        default_status=dg.DefaultScheduleStatus[schedule.default_status.upper()],
        metadata=metadata,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        scheduled_at = context.scheduled_execution_time
        if schedule.partitions is None:
            now = TickInput(datetime.now(timezone.utc), scheduled_at=scheduled_at)
            result = evaluator.evaluate(schedule, "schedule", now, context.log)
        else:
            with dg.partition_loading_context(scheduled_at, context.instance):
                result = _result_of(schedule, targets())
        requests = run_requests(result, targets(), schedule.tags, context.instance)
        if schedule.checks_only:
            requests = [of_checks_alone(request, targets()) for request in requests]
            if not requests or not any(request.asset_check_keys for request in requests):
                return dg.SkipReason(result.skip or "the assets have no checks")
        if not requests:
            return dg.SkipReason(result.skip or "evaluate asked for no runs")
        # Within a tick, Dagster tells the runs of a schedule apart by their keys.
        return requests if len(requests) == 1 else [_with_key(request) for request in requests]

    return tick


def _result_of(schedule: ManifestSchedule, targets: Targets) -> TickResult:
    assets = tuple("/".join(key) for key in schedule.assets)
    partitions_def = targets.partitions_of([targets.keys[name] for name in assets])
    partition_range: TickRange | None = None
    if isinstance(partitions_def, dg.MultiPartitionsDefinition):
        found = all_partitions(partitions_def, latest=schedule.partitions == "latest")
        if found is None:
            return TickResult((), "there is no partition yet", None, (), ())
        partition_range = TickRange(found.start, found.end)
    elif partitions_def is not None:
        last = partitions_def.get_last_partition_key()
        first = last if schedule.partitions == "latest" else partitions_def.get_first_partition_key()
        if first is None or last is None:
            return TickResult((), "there is no partition yet", None, (), ())
        partition_range = TickRange(first, last)
    return TickResult((TickRun(None, assets, None, partition_range, {}, {}),), None, None, (), ())


def _with_key(request: dg.RunRequest) -> dg.RunRequest:
    if request.run_key is not None:
        return request
    keys = [*(request.asset_selection or ()), *(request.asset_check_keys or ())]
    assets = ", ".join(key.to_user_string() for key in keys)
    found = request.partition_key_range
    part = request.partition_key if found is None else f"{found.start}...{found.end}"
    return request.with_replaced_attrs(run_key=f"{assets} {part or ''}".strip())
