"""The assets of a manifest that are in Superset."""

import os

from dagster_project.manifest import Key, Manifest, ManifestAsset

SYNC_TAG = "superset/sync"
SNAPSHOT: Key = ("superset", "snapshot")
"""The tables of DuckDB as Superset reads them. A dataset makes sure by itself that its own rows are in it."""


def superset_nodes(manifest: Manifest, kind: str | None = None) -> list[ManifestAsset]:
    """Return the datasets, dashboards and warm nodes, or those of one kind."""
    return [asset for asset in manifest.assets if asset.body == "superset" and kind in (None, asset.key[1])]


def is_configured() -> bool:
    """Whether there is a Superset; without one nothing asks for runs by itself."""
    return os.environ.get("SUPERSET_URL", "") != ""


def downstream_nodes(manifest: Manifest, keys: set[Key]) -> set[Key]:
    """Return nodes and what follows them in Superset."""
    found = set(keys)
    # In order of need there would be one round; three kinds of node follow each other.
    while True:
        more = {node.key for node in superset_nodes(manifest) if found.intersection(node.deps)} - found
        if not more:
            return found
        found |= more
