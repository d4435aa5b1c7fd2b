"""Record what a run of several partitions found in each of them.

One ``MaterializeResult`` marks all partitions of a range with the same data version, and one check result has the same
verdict for all. So each partition gets events of its own: its row count, its data version, its verdicts.
"""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.partitions.utils.multi import get_tags_from_multi_partition_key
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_code_version,
    _get_input_provenance_data,
)
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as validated

from dagster_project.manifest import ManifestAsset
from dagster_project.selection import StepSelection

ROW_COUNT = "dagster/partition_row_count"

Verdict = tuple[str, bool, int | None, int | None]


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class PartitionReport:
    """What the runtime found in one partition; no count and no version where nothing was published."""

    key: str
    row_count: int | None
    data_version: str | None
    checks: tuple[Verdict, ...]


_REPORTS = TypeAdapter(list[PartitionReport])


def read_partition_reports(payload: Mapping[str, Any]) -> Sequence[PartitionReport]:
    """Read the partitions of one message; empty when it is about something else.

    Raises:
        pydantic.ValidationError: if they have another form.
    """
    return _REPORTS.validate_python(payload["partitions"]) if "partitions" in payload else []


@dataclass(frozen=True)
class PartitionRecorder:
    """Records the partitions of a run of several; one partition has Dagster's own events."""

    context: dg.AssetExecutionContext
    selection: StepSelection
    asset: ManifestAsset
    reports: Sequence[PartitionReport]

    @property
    def needed(self) -> bool:
        """Whether there are several; one partition has Dagster's own events."""
        return len(self.reports) > 1

    def record_materializations(self, result: "dg.MaterializeResult[None]") -> None:
        """Log an event for each partition that was published."""
        tags = self._tags()
        for report in self.reports:
            if report.data_version is not None:
                self.context.log_event(self._materialization(report, result, tags))

    def record_verdicts(self) -> None:
        """Log an event for each partition and check; after those of the whole run, so that they are the latest."""
        for event in self._evaluations():
            # Taken, though its annotation does not say so.
            self.context.log_event(event)  # pyright: ignore[reportArgumentType]

    def without_events(self, result: "dg.MaterializeResult[None]") -> "dg.MaterializeResult[None]":
        """Return a result by which the steps downstream go on, and for which Dagster logs no events of its own.

        So does Dagster itself where a step has logged its partitions' events; this key is how it tells.
        """
        return result._replace(metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}, data_version=None)

    def _materialization(
        self, report: PartitionReport, result: "dg.MaterializeResult[None]", tags: Mapping[str, str]
    ) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(
            asset_key=self.selection.asset_key,
            partition=report.key,
            metadata={**(result.metadata or {}), ROW_COUNT: report.row_count},
            tags={**tags, **self._dimension_tags(report.key), DATA_VERSION_TAG: str(report.data_version)},
        )

    def _dimension_tags(self, key: str) -> Mapping[str, str]:
        """By which Dagster knows a partition of two dimensions."""
        definition = self.context.assets_def.partitions_def
        if not isinstance(definition, dg.MultiPartitionsDefinition):
            return {}
        return get_tags_from_multi_partition_key(definition.get_partition_key_from_str(key))

    def _tags(self) -> Mapping[str, str]:
        """Code version and the versions of what was read, by which Dagster tells whether a partition is stale."""
        step = self.context.op_execution_context._step_execution_context
        key = self.selection.asset_key
        placeholder = dg.DataVersion("")
        provenance = _get_input_provenance_data(key, step)
        return _build_data_version_tags(placeholder, _get_code_version(key, step), provenance, True)

    def _evaluations(self) -> Iterator[dg.AssetCheckEvaluation]:
        declared = {check.name: check for check in self.asset.checks}
        for report in self.reports:
            published = self.selection.checks_only or report.data_version is not None
            for name, passed, failed_rows, checked_rows in report.checks:
                if name not in self.selection.check_names:
                    continue
                check = declared[name]
                counts = {"failed_rows": failed_rows, "checked_rows": checked_rows}
                known = {name: count for name, count in counts.items() if count is not None}
                yield dg.AssetCheckEvaluation(
                    asset_key=self.selection.asset_key,
                    check_name=name,
                    passed=passed,
                    severity=dg.AssetCheckSeverity[check.severity],
                    blocking=check.blocking,
                    partition=report.key,
                    metadata={"published": published, "rule": check.description, **known},
                )
