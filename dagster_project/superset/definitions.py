"""What Dagster does about Superset beside running its assets."""

from collections.abc import Callable, Sequence

import dagster as dg

from dagster_project.manifest import Key, Manifest
from dagster_project.superset.automation import automation_sensor
from dagster_project.superset.hand_made import hand_made_specs, read_hand_made
from dagster_project.superset.reconcile import NodeComparer, reconcile_schedule
from dagster_project.superset.staleness import Staleness, staleness_checks, staleness_sensor


def superset_definitions(
    name: str,
    manifest: Manifest,
    asset_key: Callable[[Key], dg.AssetKey],
    automated: Sequence[dg.AssetKey],
    comparer: NodeComparer,
    cron: str,
) -> dg.Definitions:
    """Return what a project that has something in Superset has beside its assets.

    Args:
        name: Of the component; sensors begin with it.
        manifest: What is declared.
        asset_key: The key in Dagster of an asset.
        automated: The assets in Superset that run by themselves.
        comparer: Compares Superset with what is declared.
        cron: When the schedule does.
    """
    sensors = [automation_sensor(f"{name}_superset", automated)] if automated else []
    staleness = Staleness(manifest, asset_key)
    if staleness.dashboards:
        sensors.append(staleness_sensor(staleness))
    return dg.Definitions(
        assets=hand_made_specs(read_hand_made(comparer.project_dir), manifest, asset_key),
        asset_checks=staleness_checks(staleness, asset_key),
        schedules=[reconcile_schedule(manifest, comparer, asset_key, cron)],
        sensors=sensors,
    )
