"""Dagster sensors for the sensors declared in TypeScript."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from dagster_project.manifest import Key, ManifestSensor
from dagster_project.run_requests import Targets, partitions_requests, run_requests
from dagster_project.tick import NodeEvaluator, TickInput
from dagster_project.watched import WatchedCursor


def build_sensor(
    sensor: ManifestSensor,
    name: str,
    evaluator: NodeEvaluator,
    targets: Callable[[], Targets],
    asset_key: Callable[[Key], dg.AssetKey],
    partition_lists: Mapping[str, bool],
    metadata: Mapping[str, Any],
) -> dg.SensorDefinition:
    """Return the sensor that asks Node at each tick.

    Args:
        sensor: The declaration.
        name: Its name in Dagster.
        evaluator: Starts Node.
        targets: The assets of its runs.
        asset_key: The key in Dagster of an asset.
        partition_lists: The lists of dynamic partitions that there are, and whether each is one of two dimensions.
        metadata: Shown beside it.
    """
    watched = {"/".join(key): asset_key(key) for key in sensor.watches}

    @dg.sensor(
        name=name,
        description=sensor.description,
        asset_selection=dg.AssetSelection.assets(*(asset_key(key) for key in sensor.assets)),
        minimum_interval_seconds=sensor.interval_seconds,
        default_status=dg.DefaultSensorStatus[sensor.default_status.upper()],
        metadata=metadata,
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        stored = WatchedCursor.read(context.cursor, watched)
        events = stored.news(context.instance)
        result = evaluator.evaluate(
            sensor,
            "sensor",
            TickInput(datetime.now(timezone.utc), cursor=stored.cursor, materializations=events.materializations),
            context.log,
        )
        partitions = partitions_requests(result, partition_lists)
        requests = run_requests(result, targets(), sensor.tags, context.instance, partitions)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else result.skip,
            cursor=events.next_cursor(result.cursor),
            dynamic_partitions_requests=partitions,
        )

    return tick
