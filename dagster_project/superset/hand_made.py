"""The dashboards that people made in Superset, as external assets: what a change of a table reaches."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import dagster as dg
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from dagster_project.manifest import Key, Manifest
from dagster_project.superset.nodes import superset_nodes

HAND_MADE_FILE = Path(".state/superset/hand_made.json")
"""Written by the asset ``superset/hand_made``; see ``runtime/superset/hand_made_node.ts``."""
GROUP = "superset"

_logger = logging.getLogger("dagster_project")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class HandMadeDashboard:
    """A dashboard that is not declared, and shows datasets of assets."""

    id: int
    key: tuple[str, ...]
    title: str
    url: str
    assets: tuple[str, ...]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class _File:
    dashboards: tuple[HandMadeDashboard, ...]


def read_hand_made(project_dir: Path) -> tuple[HandMadeDashboard, ...]:
    """Return what was listed last; nothing where it never was, or cannot be read, which is logged."""
    file = project_dir / HAND_MADE_FILE
    if not file.exists():
        return ()
    try:
        return TypeAdapter(_File).validate_json(file.read_bytes()).dashboards
    except (OSError, ValidationError) as error:
        _logger.warning("%s cannot be read; materialize superset/hand_made to write it anew: %s", file, error)
        return ()


def hand_made_specs(
    dashboards: Iterable[HandMadeDashboard], manifest: Manifest, asset_key: Callable[[Key], dg.AssetKey]
) -> list[dg.AssetSpec]:
    """Return an external asset for each dashboard, which depends on the datasets that it shows.

    Args:
        dashboards: Those that were listed last.
        manifest: What is declared; datasets that are no longer are left out.
        asset_key: The key in Dagster of an asset.
    """
    datasets = {"/".join(node.key[2:]): node.key for node in superset_nodes(manifest, "dataset")}
    specs: list[dg.AssetSpec] = []
    for dashboard in dashboards:
        shown = [asset_key(datasets[name]) for name in dashboard.assets if name in datasets]
        if not shown:
            continue
        specs.append(
            dg.AssetSpec(
                asset_key(dashboard.key),
                deps=shown,
                description=f'The dashboard "{dashboard.title}", which somebody made in Superset.',
                group_name=GROUP,
                kinds={"superset"},
                metadata={"dashboard": dg.MetadataValue.url(dashboard.url), "dashboard_id": dashboard.id},
            )
        )
    return specs
