"""The schedule that repairs what drifted: datasets that missed a change, or that somebody has changed in Superset."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import dagster as dg
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from dagster_project.manifest import Key, Manifest
from dagster_project.node_process import NodeProgram
from dagster_project.redaction import Redactor, find_secrets
from dagster_project.superset.nodes import SYNC_TAG, downstream_nodes, is_configured, superset_nodes
from dagster_project.superset.versions import recorded_version

NAME = "superset_reconcile"
# Of a tick of a schedule, Dagster's limit is 60 s.
_LIMIT_SECONDS = 55
_TAIL_BYTES = 2_000


class ReconcileError(Exception):
    """Superset could not be compared with what is declared; nothing was requested."""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Drift:
    """How a dataset differs from what it should be; empty: it does not."""

    dataset: str
    differences: tuple[str, ...]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Comparison:
    """What Node found in Superset."""

    datasets: tuple[Drift, ...]
    unfed: tuple[str, ...]
    """Datasets that no asset feeds."""


@dataclass(frozen=True)
class NodeComparer(NodeProgram):
    """Starts ``node runtime/superset/compare.ts``, which changes nothing."""

    entry: Sequence[str] = ("runtime/superset/compare.ts", "--json")

    def compare(self, versions: Mapping[str, object]) -> Comparison:
        """Compare the datasets with what is declared and recorded.

        Raises:
            ReconcileError: if Superset cannot be asked; the message says why.
        """
        environment = self.variables()
        redactor = Redactor(find_secrets(environment))
        try:
            ended = subprocess.run(
                self.command(*versions),
                cwd=self.project_dir,
                env=environment,
                input=json.dumps(versions).encode(),
                capture_output=True,
                timeout=_LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReconcileError(f"comparing {len(versions)} datasets took longer than {_LIMIT_SECONDS} s") from None
        tail = redactor.redact(ended.stderr[-_TAIL_BYTES:].decode(errors="replace").strip())
        if ended.returncode != 0:
            raise ReconcileError(f"the datasets could not be compared (exit code {ended.returncode}):\n{tail}")
        try:
            return TypeAdapter(Comparison).validate_json(ended.stdout)
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            raise ReconcileError(f"an answer that cannot be read: {found}\n{tail}") from None


def reconcile_schedule(
    manifest: Manifest, comparer: NodeComparer, asset_key: Callable[[Key], dg.AssetKey], cron: str
) -> dg.ScheduleDefinition:
    """Return the schedule; it runs by itself where an asset is synced by schedule.

    Args:
        manifest: What is declared.
        comparer: Asks Superset.
        asset_key: The key in Dagster of an asset.
        cron: When.
    """
    nodes = {node.name: node for node in superset_nodes(manifest, "dataset") if node.tags.get(SYNC_TAG) != "manual"}
    scheduled = any(node.tags.get(SYNC_TAG) == "scheduled" for node in nodes.values())
    status = dg.DefaultScheduleStatus.RUNNING if scheduled and is_configured() else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=NAME,
        description="Syncs the datasets that missed a change of their table, or that were changed in Superset.",
        cron_schedule=cron,
        target=dg.AssetSelection.assets(*(asset_key(node.key) for node in superset_nodes(manifest))),
        default_status=status,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        versions: dict[str, object] = {}
        for name, node in nodes.items():
            version = recorded_version(context.instance, asset_key(node.deps[0]), asset_key(node.key))
            # Before its first materialization there is no table to show.
            if version is not None:
                versions[name] = asdict(version)
        if not versions:
            return dg.SkipReason("no table of a dataset has been materialized yet")
        found = comparer.compare(versions)
        for dataset in found.unfed:
            context.log.info(f"No asset feeds the dataset {dataset}")
        drifted = {drift.dataset: drift.differences for drift in found.datasets if drift.differences}
        for name, differences in drifted.items():
            context.log.info(f"{name}: {'; '.join(differences)}")
        if not drifted:
            return dg.SkipReason(f"{len(found.datasets)} datasets are as they should be")
        keys = downstream_nodes(manifest, {nodes[name].key for name in drifted})
        return dg.RunRequest(
            asset_selection=[asset_key(key) for key in sorted(keys)], tags={"superset/reconcile": str(len(drifted))}
        )

    return tick
