"""Faulty declarations, made visible in Dagster without breaking the others."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import PurePosixPath

import dagster as dg

from dagster_project.manifest import Key, Manifest, ManifestFault
from dagster_project.translator import TypeScriptAssetsTranslator

_ROOTS = ("assets", "sql")


class FaultyDeclarationsError(Exception):
    """Raised where definitions are validated (``dg check defs``), so that the check fails."""

    def __init__(self, faults: Sequence[ManifestFault]) -> None:
        """Take all the faults, to be shown in one go."""
        self.faults = tuple(faults)
        super().__init__("\n".join(["the TypeScript assets have faults:", *(f"  {fault}" for fault in faults)]))


def placeholders(
    manifest: Manifest,
    translator: TypeScriptAssetsTranslator,
    taken: Collection[dg.AssetKey],
    op_name: Callable[[str], str],
) -> list[dg.AssetsDefinition]:
    """Return an asset for each faulty one (or faulty file), which shows the messages and fails with them."""
    by_key: dict[dg.AssetKey, list[ManifestFault]] = {}
    for fault in manifest.faults:
        key = translator.get_asset_key(fault.asset or _key_of_file(fault.file))
        if key in taken:
            # For example a duplicate: the first declaration is good, the second is not.
            key = dg.AssetKey([*key.path[:-1], f"{key.path[-1]}__fault"])
        by_key.setdefault(key, []).append(fault)
    return [_placeholder(key, faults, op_name("/".join(key.path))) for key, faults in by_key.items()]


def _placeholder(key: dg.AssetKey, faults: Sequence[ManifestFault], op_name: str) -> dg.AssetsDefinition:
    messages = "\n".join(str(fault) for fault in faults)

    @dg.multi_asset(
        name=op_name,
        specs=[
            dg.AssetSpec(
                key=key,
                description="This declaration has faults:\n\n" + "\n".join(f"- `{fault}`" for fault in faults),
                metadata={"faults": dg.MetadataValue.md("\n".join(f"- {fault}" for fault in faults))},
                kinds={"typescript", "fault"},
                group_name=_group_of(key),
            )
        ],
    )
    def step(context: dg.AssetExecutionContext) -> None:
        raise dg.Failure(f"The declaration has faults:\n{messages}", allow_retries=False)

    return step


def _group_of(key: dg.AssetKey) -> str | None:
    return key.path[0] if len(key.path) > 1 else None


def _key_of_file(file: str) -> Key:
    parts = PurePosixPath(file).with_suffix("").parts
    if len(parts) > 1 and parts[0] in _ROOTS:
        parts = parts[1:]
    cleaned = [re.sub(r"[^A-Za-z0-9_]+", "_", part).strip("_") for part in parts]
    return tuple(part for part in cleaned if part) or ("fault",)
