"""What of an asset a step was asked for: the asset with its checks, or checks alone."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

from collections.abc import Collection
from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class StepSelection:
    """What a step computes or checks, and what it may report to Dagster."""

    asset_key: dg.AssetKey
    checks_only: bool
    """Nothing is computed: the checks look at the published table."""
    check_names: Collection[str]
    """The checks that Dagster takes verdicts of."""

    @staticmethod
    def of(context: dg.AssetExecutionContext) -> "StepSelection":
        """Return the selection of a step, which is of one asset."""
        check_keys = context.selected_asset_check_keys
        names = {key.name for key in check_keys}
        for asset_key in context.selected_asset_keys:
            return StepSelection(asset_key, False, names)
        return StepSelection(next(iter(check_keys)).asset_key, True, names)
