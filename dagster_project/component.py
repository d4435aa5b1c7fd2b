"""The component that makes the assets of a TypeScript project Dagster assets."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.resolved.core_models import (
    MultiRunBackfillPolicyModel,
    SingleRunBackfillPolicyModel,
    resolve_backfill_policy,  # pyright: ignore[reportUnknownVariableType]
)
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver

from dagster_project.executor import EXCLUSIVE_TAG
from dagster_project.extras import FULL_REFRESH, REPLAY, RESTORE
from dagster_project.faults import OpNames, placeholders, refusals, report
from dagster_project.launcher import NodeLauncher, StepResult
from dagster_project.manifest import Key, Manifest, ManifestAsset
from dagster_project.refresh import load_manifest
from dagster_project.superset.definitions import superset_definitions
from dagster_project.superset.nodes import superset_nodes
from dagster_project.superset.reconcile import NodeComparer
from dagster_project.tick import NodeEvaluator
from dagster_project.translator import TypeScriptAssetsTranslator, rename_deps
from dagster_project.triggers import build_triggers

# Less than ten, because the daemon looks every five, and what is a moment too early waits for the next look.
AUTOMATION_INTERVAL_SECONDS = 9

_CONFIG_OF_INCREMENTAL = {
    FULL_REFRESH: dg.Field(
        bool, default_value=False, description="Make the whole table anew, instead of adding what is new to it."
    )
}
_CONFIG_OF_INCREMENTAL_ROWS = {
    **_CONFIG_OF_INCREMENTAL,
    REPLAY: dg.Field(
        bool,
        default_value=False,
        description="Publish the quarantined rows that keep the contract by now, and compute nothing else.",
    ),
}
_CONFIG_OF_ARCHIVE = {
    RESTORE: dg.Field(
        [str],
        default_value=[],
        description="Archived partitions to bring back into the table instead, such as"
        ' "2017-01-01" or "2017-01-01...2017-01-31". They stay there for a day at least.',
    )
}


def _template_variables(asset: ManifestAsset) -> dict[str, Any]:
    return {"asset": asset}


@dataclass
class OpOptions(dg.Resolvable):
    """Options of the op behind each asset; what the TypeScript file says of an asset comes first."""

    pool: Annotated[
        str | None,
        dg.Resolver.default(description="The pool of assets that declare none.", examples=["warehouse"]),
    ] = None
    tags: Annotated[
        dict[str, Any] | None,
        dg.Resolver.default(description="Tags of every op.", examples=[{"dagster/priority": "1"}]),
    ] = None
    backfill_policy: Annotated[
        dg.BackfillPolicy | None,
        dg.Resolver(
            resolve_backfill_policy,  # pyright: ignore[reportUnknownArgumentType]
            model_field_type=SingleRunBackfillPolicyModel | MultiRunBackfillPolicyModel,
            description="How partitioned assets are backfilled; by default in a single run.",
            examples=[{"type": "multi_run", "max_partitions_per_run": 30}],
        ),
    ] = None


@dataclass
class TypeScriptAssetsComponent(dg.Component, dg.Resolvable):
    """Makes each TypeScript asset of a project one Dagster asset, launched through Pipes."""

    project_dir: Annotated[
        str,
        dg.Resolver.default(
            description="The folder that holds `assets/` and `manifest.json`, relative to the Dagster project.",
            examples=[".", "{{ project_root }}/typescript"],
        ),
    ] = "."
    translation: Annotated[
        TranslationFn[ManifestAsset] | None,
        TranslationFnResolver[ManifestAsset](template_vars_for_translation_fn=_template_variables),
    ] = None
    op: Annotated[
        OpOptions | None,
        dg.Resolver.default(description="Options of the op behind each asset.", examples=[{"pool": "warehouse"}]),
    ] = None

    superset_reconcile_cron: Annotated[
        str,
        dg.Resolver.default(description="When the datasets in Superset are compared with what they should be."),
    ] = "*/15 * * * *"

    def get_translator(self, project_dir: Path) -> TypeScriptAssetsTranslator:
        """Return the translator; override it to use one of your own."""
        return TypeScriptAssetsTranslator(project_dir)

    def get_asset_spec(self, asset: ManifestAsset, translator: TypeScriptAssetsTranslator) -> dg.AssetSpec:
        """Return the spec of one asset: the translator's, then what ``translation:`` changes."""
        spec = translator.get_asset_spec(asset)
        return spec if self.translation is None else self.translation(spec, asset)

    def get_launcher(self, project_dir: Path) -> NodeLauncher:
        """Return the launcher of the steps."""
        return NodeLauncher(project_dir)

    def get_evaluator(self, project_dir: Path) -> NodeEvaluator:
        """Return what evaluates the ticks of sensors and schedules."""
        return NodeEvaluator(project_dir)

    def get_comparer(self, project_dir: Path) -> NodeComparer:
        """Return what compares the datasets in Superset with what they should be."""
        return NodeComparer(project_dir)

    def get_manifest(self, project_dir: Path) -> Manifest:
        """Return the manifest, built anew in development when a source has changed."""
        return load_manifest(project_dir)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the definitions; faulty declarations become placeholders and break nothing else."""
        project_dir = (context.project_root / self.project_dir).resolve()
        return self.build_project_defs(project_dir, name=context.path.name)

    def build_project_defs(self, project_dir: Path, name: str = "typescript") -> dg.Definitions:
        """Build the definitions of a project without a component folder around it."""
        manifest = self.get_manifest(project_dir)
        with warnings.catch_warnings():
            # Code references, freshness and the like; users can do nothing about the notices.
            warnings.simplefilter("ignore", dg.BetaWarning)
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return self._defs(manifest, project_dir, name)

    def _defs(self, manifest: Manifest, project_dir: Path, name: str) -> dg.Definitions:
        translator = self.get_translator(project_dir)
        launcher = self.get_launcher(project_dir)
        op_names = OpNames()
        faults = list(manifest.faults)
        specs: dict[Key, dg.AssetSpec] = {}
        assets: list[dg.AssetsDefinition] = []
        for asset in manifest.assets:
            with refusals(asset, faults):
                specs[asset.key] = self.get_asset_spec(asset, translator)
        renamed = {translator.get_asset_key(key): spec.key for key, spec in specs.items()}
        for asset in manifest.assets:
            with refusals(asset, faults):
                if asset.key in specs:
                    spec = rename_deps(specs[asset.key], renamed)
                    assets.append(self._asset(asset, spec, translator, launcher, op_names.of(asset.name)))
        triggers = build_triggers(
            manifest,
            assets,
            {asset.key: specs[asset.key].key for asset in manifest.assets if asset.key in specs},
            translator,
            self.get_evaluator(project_dir),
            faults,
        )
        report(faults)
        built = {asset.key for asset in assets}
        assets.extend(placeholders(faults, translator, built, op_names.of))
        automated = {
            key: spec.key for key, spec in specs.items() if spec.automation_condition is not None and spec.key in built
        }
        in_superset = {node.key for node in superset_nodes(manifest)}

        def asset_key(key: Key) -> dg.AssetKey:
            return specs[key].key if key in specs else translator.get_asset_key(key)

        extra = dg.Definitions()
        if any(specs[key].key in built for key in in_superset if key in specs):
            automated_nodes = [found for key, found in automated.items() if key in in_superset]
            extra = superset_definitions(
                name, manifest, asset_key, automated_nodes, self.get_comparer(project_dir), self.superset_reconcile_cron
            )
        own = dg.Definitions(
            assets=assets,
            schedules=triggers.schedules,
            sensors=[
                *triggers.sensors,
                *_sensors(name, [found for key, found in automated.items() if key not in in_superset]),
            ],
        )
        return dg.Definitions.merge(own, extra) if in_superset else own

    def _asset(
        self,
        asset: ManifestAsset,
        spec: dg.AssetSpec,
        translator: TypeScriptAssetsTranslator,
        launcher: NodeLauncher,
        op_name: str,
    ) -> dg.AssetsDefinition:
        op = self.op or OpOptions()
        tags = dict(op.tags or {})
        if asset.exclusive is not None:
            tags[EXCLUSIVE_TAG] = asset.exclusive
        per_run = asset.max_partitions_per_run
        own_policy = None if per_run is None else dg.BackfillPolicy.multi_run(per_run)
        backfill_policy = own_policy or op.backfill_policy or dg.BackfillPolicy.single_run()

        @dg.multi_asset(
            name=op_name,
            specs=[spec],
            # So that its checks can be executed alone.
            can_subset=len(asset.checks) > 0,
            check_specs=[translator.get_check_spec(asset, check, spec) for check in asset.checks],
            op_tags=tags,
            retry_policy=translator.get_retry_policy(asset),
            pool=asset.pool or op.pool,
            config_schema=_config_schema(asset),
            # Also without partitions: Dagster runs a range of partitions at once only if it says so of all its assets.
            backfill_policy=backfill_policy,
        )
        def step(context: dg.AssetExecutionContext) -> Iterator[StepResult]:
            yield from launcher.launch(context, asset)

        return step


def _config_schema(asset: ManifestAsset) -> dict[str, dg.Field] | None:
    if asset.body == "archive":
        return _CONFIG_OF_ARCHIVE
    if not asset.incremental:
        return None
    return _CONFIG_OF_INCREMENTAL_ROWS if asset.body == "rows" else _CONFIG_OF_INCREMENTAL


def _sensors(name: str, keys: Sequence[dg.AssetKey]) -> list[dg.SensorDefinition]:
    if not keys:
        return []
    sensor = dg.AutomationConditionSensorDefinition(
        name=f"{name}_automation",
        target=dg.AssetSelection.assets(*keys),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=AUTOMATION_INTERVAL_SECONDS,
    )
    return [sensor]
