"""The sensor that syncs Superset after the data has changed, in runs of their own."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from dagster_project.superset.nodes import is_configured

if TYPE_CHECKING:
    from dagster._core.definitions.declarative_automation.operators.dep_operators import AnyDepsCondition

# Dagster's daemon looks every five seconds, and what it finds to be a moment too early waits for the next look.
INTERVAL_SECONDS = 4


@cache
def when_upstream_changed(ignored: dg.AssetKey | None = None) -> dg.AutomationCondition[Any]:
    """Ask once for each change of the data upstream, and lose none.

    Unlike ``eager()``, it asks although partitions upstream are missing or in progress, and remembers what changes
    while a sync is under way. A change in the tick right after a request would be forgotten with that request: the
    second half keeps it.

    Args:
        ignored: An asset upstream that holds the data of many, and whose change says nothing about this one.
    """
    updated = dg.AutomationCondition.any_deps_updated().replace(
        "newly_updated", dg.AutomationCondition.data_version_changed()
    )
    changed = cast("AnyDepsCondition[Any]", updated)
    if ignored is not None:
        changed = cast("AnyDepsCondition[Any]", changed.ignore(dg.AssetSelection.assets(ignored)))
    requested = dg.AutomationCondition.newly_requested()
    pending = changed.since(requested) | (changed & requested).since(requested & ~changed)
    return (pending & ~dg.AutomationCondition.in_progress()).with_label("upstream data changed")


def automation_sensor(name: str, keys: Sequence[dg.AssetKey]) -> dg.SensorDefinition:
    """Return a sensor apart from that of the data, so that a run of it holds nothing but what is in Superset."""
    status = dg.DefaultSensorStatus.RUNNING if is_configured() else dg.DefaultSensorStatus.STOPPED
    return dg.AutomationConditionSensorDefinition(
        name=name,
        target=dg.AssetSelection.assets(*keys),
        default_status=status,
        minimum_interval_seconds=INTERVAL_SECONDS,
        description="Syncs the datasets of changed tables, then the dashboards that show them.",
    )
