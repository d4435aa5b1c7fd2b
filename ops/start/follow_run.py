"""Follows one Dagster run through its event log and prints what happens as JSON lines.

Standard input gives the run id, one line, and ends when the process of the run has ended. The first line printed
says that the instance is there, the last one is the report of the whole run.
"""

import json
import sys
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
)

POLL_SECONDS = 0.3


@dataclass
class AssetReport:
    """What the run did for one asset."""

    asset: str
    outcome: str = "not run"  # running, materialized, published, failed, skipped
    table: str | None = None
    rows: int | None = None
    seconds: float | None = None
    message: str | None = None
    checks_declared: int = 0
    checks_passed: int = 0
    warnings: list[str] = field(default_factory=list[str])
    failures: list[str] = field(default_factory=list[str])
    blocking_failures: list[str] = field(default_factory=list[str])


class RunReport:
    """The assets of a run, brought up to date event by event."""

    def __init__(self) -> None:
        """Starts with no asset known."""
        self.assets: dict[str, AssetReport] = {}
        self._asset_of_step: dict[str, str] = {}
        self._started: dict[str, float] = {}
        # A run of partitions has an event for each of them: a check counts once, with its worst verdict.
        self._planned_checks: dict[str, set[str]] = {}
        self._verdicts: dict[str, dict[str, AssetCheckEvaluation]] = {}

    def apply(self, entry: EventLogEntry) -> None:
        """Takes one event in."""
        event = entry.dagster_event
        if event is None:
            return
        match event.event_type:
            case DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                report = self._report(event.asset_materialization_planned_data.asset_key)
                if event.step_key is not None:
                    self._asset_of_step[event.step_key] = report.asset
            case DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned = event.asset_check_planned_data
                report = self._report(planned.asset_key)
                names = self._planned_checks.setdefault(report.asset, set())
                names.add(planned.check_name)
                report.checks_declared = len(names)
            case DagsterEventType.ASSET_MATERIALIZATION:
                self._materialized(event)
            case DagsterEventType.ASSET_CHECK_EVALUATION:
                self._checked(event)
            case _:
                self._step_changed(event, entry.timestamp)

    def in_order(self) -> list[dict[str, object]]:
        """Gives the assets in the order in which they started; those that did not come last."""
        order = [*self._started, *(name for name in self.assets if name not in self._started)]
        return [asdict(self.assets[name]) for name in order]

    def _report(self, key: AssetKey) -> AssetReport:
        name = key.to_user_string()
        return self.assets.setdefault(name, AssetReport(name))

    def _materialized(self, event: DagsterEvent) -> None:
        materialization = event.step_materialization_data.materialization
        report = self._report(materialization.asset_key)
        rows: Any = _value(materialization.metadata, "rows_written")
        report.rows = rows if isinstance(rows, int) else None
        table: Any = _value(materialization.metadata, "dagster/table_name")
        report.table = str(table) if table is not None else None
        report.outcome = "materialized"

    def _checked(self, event: DagsterEvent) -> None:
        check = event.asset_check_evaluation_data
        report = self._report(check.asset_key)
        verdicts = self._verdicts.setdefault(report.asset, {})
        if check.check_name not in verdicts or not check.passed:
            verdicts[check.check_name] = check
        failed = {name: one for name, one in verdicts.items() if not one.passed}
        report.checks_passed = len(verdicts) - len(failed)
        report.blocking_failures = [name for name, one in failed.items() if one.blocking]
        rest = {name: one.severity for name, one in failed.items() if not one.blocking}
        report.warnings = [name for name, severity in rest.items() if severity == AssetCheckSeverity.WARN]
        report.failures = [name for name, severity in rest.items() if severity != AssetCheckSeverity.WARN]

    def _step_changed(self, event: DagsterEvent, timestamp: float) -> None:
        name = self._asset_of_step.get(event.step_key or "")
        if name is None:
            return
        report = self.assets[name]
        match event.event_type:
            case DagsterEventType.STEP_START:
                self._started.setdefault(name, timestamp)
                report.outcome = "running"
                _emit({"event": "started", "asset": name})
                return
            case DagsterEventType.STEP_SUCCESS:
                report.outcome = "published" if report.outcome == "materialized" else "failed"
            case DagsterEventType.STEP_FAILURE:
                report.outcome = "failed"
                report.message = _failure_message(event)
            case DagsterEventType.STEP_SKIPPED:
                report.outcome = "skipped"
            case _:
                return
        if name in self._started:
            report.seconds = round(timestamp - self._started[name], 2)
        _emit({"event": "ended", **asdict(report)})


def _value(metadata: Any, key: str) -> object:
    entry = metadata.get(key)
    return getattr(entry, "value", None)


def _failure_message(event: DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "" if error is None else error.message.strip()


def _emit(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    """Reads the run id from standard input and follows that run."""
    instance = DagsterInstance.get()
    _emit({"event": "ready"})
    run_id = sys.stdin.readline().strip()
    if not run_id:
        return
    process_has_ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), process_has_ended.set()), daemon=True).start()

    report = RunReport()
    cursor: str | None = None
    while True:
        # Asked before reading, so that nothing written before the end is missed.
        is_last = process_has_ended.is_set()
        connection = instance.get_records_for_run(run_id, cursor=cursor)
        for record in connection.records:
            report.apply(record.event_log_entry)
        cursor = connection.cursor
        run = instance.get_run_by_id(run_id)
        if is_last and not connection.has_more:
            break
        process_has_ended.wait(POLL_SECONDS)
    status = run.status.value if run is not None else "NOT FOUND"
    _emit({"event": "report", "run_id": run_id, "status": status, "assets": report.in_order()})


if __name__ == "__main__":
    main()
