"""Faulty declarations, made visible in Dagster without breaking the others."""

import logging
import os
import re
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

import dagster as dg
from dagster_shared.check import CheckError

from dagster_project.manifest import Key, ManifestAsset, ManifestFault, ManifestTrigger
from dagster_project.translator import TypeScriptAssetsTranslator

logger = logging.getLogger("dagster_project")

_ROOTS = ("assets", "sql")


class FaultyDeclarationsError(Exception):
    """Raised where definitions are validated (``dg check defs``), so that the check fails."""

    def __init__(self, faults: Sequence[ManifestFault]) -> None:
        """Take all the faults, to be shown in one go."""
        self.faults = tuple(faults)
        super().__init__("\n".join(["the TypeScript assets have faults:", *(f"  {fault}" for fault in faults)]))


@contextmanager
def refusals(asset: ManifestAsset | ManifestTrigger, faults: list[ManifestFault]) -> Generator[None]:
    """Turn what Dagster refuses in a declaration, such as an owner that is no address, into a fault of that asset."""
    try:
        yield
    except (dg.DagsterError, CheckError) as error:
        source = asset.sources[0]
        faults.append(
            ManifestFault("refused_by_dagster", asset.key, source.file, source.line, f"Dagster refuses it: {error}")
        )


def report(faults: Sequence[ManifestFault]) -> None:
    """Log the faults where definitions are loaded; raise them where definitions are validated."""
    if faults and os.environ.get("DAGSTER_IS_DEFS_VALIDATION_CLI"):
        raise FaultyDeclarationsError(faults)
    for fault in faults:
        logger.warning("%s", fault)


class OpNames:
    """Names for ops; ``a/b__c`` and ``a__b/c`` must not get the same."""

    def __init__(self) -> None:
        """Start with no name taken."""
        self._taken: set[str] = set()

    def of(self, name: str) -> str:
        """Return a free name for an asset's op."""
        base = name.replace("/", "__")
        candidate, number = base, 1
        while candidate in self._taken:
            number += 1
            candidate = f"{base}_{number}"
        self._taken.add(candidate)
        return candidate


def placeholders(
    faults: Sequence[ManifestFault],
    translator: TypeScriptAssetsTranslator,
    taken: Collection[dg.AssetKey],
    op_name: Callable[[str], str],
) -> list[dg.AssetsDefinition]:
    """Return an asset for each faulty one (or faulty file), which shows the messages and fails with them."""
    by_key: dict[dg.AssetKey, list[ManifestFault]] = {}
    for fault in faults:
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
