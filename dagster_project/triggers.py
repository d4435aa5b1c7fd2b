"""All sensors and schedules of a manifest."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import dagster as dg

from dagster_project.faults import OpNames, refusals
from dagster_project.manifest import (
    DynamicPartitions,
    Key,
    Manifest,
    ManifestFault,
    ManifestSchedule,
    ManifestTrigger,
    TwoDimensionalPartitions,
)
from dagster_project.run_requests import Targets
from dagster_project.schedules import build_schedule
from dagster_project.sensors import build_sensor
from dagster_project.tick import NodeEvaluator
from dagster_project.translator import TypeScriptAssetsTranslator


@dataclass
class Triggers:
    """What asks for runs by itself."""

    sensors: list[dg.SensorDefinition] = field(default_factory=list[dg.SensorDefinition])
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list[dg.ScheduleDefinition])


def build_triggers(
    manifest: Manifest,
    assets: Sequence[dg.AssetsDefinition],
    keys: Mapping[Key, dg.AssetKey],
    translator: TypeScriptAssetsTranslator,
    evaluator: NodeEvaluator,
    faults: list[ManifestFault],
) -> Triggers:
    """Return the sensors and schedules of a manifest; those that cannot be become faults.

    Args:
        manifest: What the TypeScript side says.
        assets: The assets that could be built of it.
        keys: Their keys in the manifest to those in Dagster.
        translator: Names the others, which are placeholders.
        evaluator: Evaluates the ticks.
        faults: Takes what is wrong.
    """
    triggers = Triggers()
    names = OpNames()
    definitions = {asset.key: asset for asset in assets}
    faulty = {fault.asset for fault in faults}
    lists = _partition_lists(manifest)

    def asset_key(key: Key) -> dg.AssetKey:
        return keys.get(key) or translator.get_asset_key(key)

    for trigger in (*manifest.sensors, *manifest.schedules):
        missing = [key for key in (*trigger.assets,) if key not in keys and key not in faulty]
        if missing:
            faults.append(_unknown(trigger, missing))
            continue
        targets = cache(partial(_targets, trigger, asset_key, definitions))
        metadata = translator.get_code_references(trigger.sources[:1])
        with refusals(trigger, faults):
            name = names.of(trigger.name)
            if isinstance(trigger, ManifestSchedule):
                triggers.schedules.append(build_schedule(trigger, name, evaluator, targets, asset_key, metadata))
            else:
                triggers.sensors.append(build_sensor(trigger, name, evaluator, targets, asset_key, lists, metadata))
    return triggers


def _partition_lists(manifest: Manifest) -> Mapping[str, bool]:
    lists: dict[str, bool] = {}
    for asset in manifest.assets:
        is_two = isinstance(asset.partitions, TwoDimensionalPartitions)
        keys = asset.partitions.keys if isinstance(asset.partitions, TwoDimensionalPartitions) else asset.partitions
        if isinstance(keys, DynamicPartitions):
            lists[keys.name] = lists.get(keys.name, False) or is_two
    return lists


def _targets(
    trigger: ManifestTrigger, asset_key: Any, definitions: Mapping[dg.AssetKey, dg.AssetsDefinition]
) -> Targets:
    return Targets({"/".join(key): asset_key(key) for key in trigger.assets}, definitions)


def _unknown(trigger: ManifestTrigger, missing: Sequence[Key]) -> ManifestFault:
    source = trigger.sources[0]
    names = ", ".join("/".join(key) for key in missing)
    return ManifestFault("unknown_reference", trigger.key, source.file, source.line, f"there is no asset {names}")
