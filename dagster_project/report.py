"""What a step must have said when Node has ended, and what it means."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import dagster as dg

from dagster_project.extras import partition_keys
from dagster_project.manifest import ManifestAsset
from dagster_project.partition_events import PartitionRecorder, PartitionReport, read_partition_reports
from dagster_project.pipes_session import StepMessageReader
from dagster_project.selection import StepSelection

OUTCOMES = ("published", "refused", "reused", "partial", "checked")
TAIL_LINES = 20
TAIL_BYTES = 4096
STACK_LINES = 8
MAX_SHOWN = 1_000

StepResult = dg.MaterializeResult[None] | dg.AssetCheckResult
AnyResult = TypeVar("AnyResult", dg.MaterializeResult[None], dg.AssetCheckResult)


class StderrTail:
    """The last lines of a stream."""

    def __init__(self) -> None:
        """Start empty."""
        self._data = b""

    def add(self, data: bytes) -> None:
        """Take a piece of the stream."""
        self._data = (self._data + data)[-4 * TAIL_BYTES :]

    @property
    def text(self) -> str:
        """The last 20 lines, at most 4 kB."""
        lines = self._data.decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(lines)[-TAIL_BYTES:].strip("\n")


class Ending(Protocol):
    """How the process ended."""

    timeout_seconds: float
    timed_out: bool
    killed: bool

    @property
    def return_code(self) -> int:
        """The exit code; negative for a signal."""
        ...


class StepReport:
    """The reports of one asset, held against what the manifest declares."""

    def __init__(
        self,
        asset: ManifestAsset,
        context: dg.AssetExecutionContext,
        selection: StepSelection,
        session: dg.PipesSession,
        reader: StepMessageReader,
        tail: StderrTail,
        ending: Ending,
        transient_retry: dg.RetryPolicy | None,
    ) -> None:
        """Take everything that is left of an ended step."""
        self._asset = asset
        self._selection = selection
        asset_key = selection.asset_key
        self._reader = reader
        self._tail = tail
        self._ending = ending
        self._closed = session.message_handler.received_closed_message
        self._opened = session.message_handler.received_opened_message
        self._materializations: list[dg.MaterializeResult[None]] = []
        self._checks: dict[str, dg.AssetCheckResult] = {}
        self._strangers: list[str] = []
        self._outcomes = [
            outcome for message in session.get_custom_messages() if (outcome := _outcome_of(message, asset.name))
        ]
        self._partition_keys = partition_keys(context) or ()
        self._partitions: list[PartitionReport] = []
        for message in session.get_custom_messages():
            self._partitions.extend(read_partition_reports(_payload_of(message, asset.name)))
        told = [_payload_of(message, asset.name).get("retryable") for message in session.get_custom_messages()]
        self._is_in_vain = False in told
        self._retry_later = _retry_later(context, asset, transient_retry) if True in told else None
        self._failures: list[tuple[str, str]] = []
        for message in session.get_custom_messages():
            for key, reason in _payload_of(message, asset.name).get("failures") or ():
                self._failures.append((str(key), str(reason)))
        self._recorder = PartitionRecorder(context, selection, asset, self._partitions)
        manifest_key = dg.AssetKey(asset.key)
        # Without those that a run leaves out: it obeys them, but Dagster takes no verdict of them.
        self._declared = [
            check for check in asset.checks if not selection.checks_only or check.name in selection.check_names
        ]
        declared = {check.name for check in self._declared}
        results = cast("Sequence[StepResult]", session.get_results(implicit_materializations=False))
        for result in results:
            if result.asset_key != manifest_key:
                self._strangers.append(f"a report for {result.asset_key and result.asset_key.to_user_string()}")
            elif isinstance(result, dg.MaterializeResult):
                self._materializations.append(_renamed(result, asset_key))
            elif result.check_name in declared:
                self._checks[result.check_name] = _renamed(result, asset_key)
            else:
                self._strangers.append(f"the check {result.check_name}, which is not declared")

    def results(self) -> Iterator[StepResult]:
        """Yield what Dagster should record.

        Raises:
            dagster.Failure: if the publish was refused or the report is not whole.
            dagster.RetryRequested: if what failed may pass, and nobody has said how often to try.
        """
        faults = self._faults()
        if faults:
            failure = self._failure(faults)
            if self._retry_later is not None and failure.allow_retries:
                raise self._retry_later from failure
            raise failure
        checks = [self._checks[check.name] for check in self._declared if check.name in self._selection.check_names]
        if self._selection.checks_only:
            # Dagster fails the step itself, after all of this, where a blocking check failed.
            yield from checks
            if self._recorder.needed:
                self._recorder.record_verdicts()
            return
        if self._outcomes == ["refused"]:
            yield from checks
            if self._recorder.needed:
                self._recorder.record_verdicts()
            raise self._refusal()
        [materialization] = self._materializations
        if self._outcomes == ["partial"]:
            self._recorder.record_materializations(materialization)
            self._recorder.record_verdicts()
            raise self._partial()
        if not self._recorder.needed:
            yield materialization
            yield from checks
            return
        self._recorder.record_materializations(materialization)
        yield self._recorder.without_events(materialization)
        yield from checks
        self._recorder.record_verdicts()

    def _faults(self) -> list[str]:
        ending = self._ending
        faults: list[str] = []
        if ending.timed_out:
            faults.append(
                f"It ran into its time limit of {ending.timeout_seconds:g} s and was"
                f" {'killed, as it did not end when asked' if ending.killed else 'ended'}."
            )
        elif ending.return_code < 0:
            faults.append(f"The Node process was killed by signal {_signal_name(-ending.return_code)}.")
        elif ending.return_code > 0:
            faults.append(f"The Node process ended with exit code {ending.return_code}.")
        if not self._opened:
            faults.append("It never opened Dagster Pipes.")
        elif not self._closed:
            faults.append("It ended without closing Dagster Pipes, so it did not come to its end.")
        if self._reader.broken_lines:
            faults.append(f"Messages that cannot be read: {self._reader.broken_lines[:3]!r}.")
        # An exception says enough; what is missing besides follows from it.
        if faults and (self._reader.exception is not None or ending.timed_out):
            return faults
        missing = self._missing()
        if missing:
            faults.append(f"It did not report: {', '.join(missing)}.")
        if self._strangers:
            faults.append(f"It reported what it should not: {', '.join(self._strangers)}.")
        if not faults and self._reader.exception is not None:
            faults.append("It closed with an exception.")
        return faults

    def _missing(self) -> list[str]:
        missing: list[str] = []
        if len(self._outcomes) != 1:
            missing.append("its outcome" if not self._outcomes else f"one outcome (but {' and '.join(self._outcomes)})")
        elif self._selection.checks_only != (self._outcomes == ["checked"]):
            self._strangers.append(f"the outcome {self._outcomes[0]}")
        refused = self._outcomes == ["refused"]
        publishes = not refused and not self._selection.checks_only
        if publishes and len(self._materializations) != 1:
            count = len(self._materializations)
            missing.append(f"one materialization (but {count})" if count else "its materialization")
        if not publishes and self._materializations:
            self._strangers.append("a materialization, although nothing was published")
        if refused and all(check.passed for check in self._checks.values()):
            missing.append("the failed check for which the publish was refused")
        reported = [partition.key for partition in self._partitions]
        if self._outcomes == ["partial"]:
            self._strangers.extend(f"the partition {key}" for key in set(reported) - set(self._partition_keys))
        elif reported != list(self._partition_keys):
            count = len(set(self._partition_keys) - set(reported))
            missing.append(f"{count} of its {len(self._partition_keys)} partitions" if count else "its partitions once")
        unchecked = [check.name for check in self._declared if check.name not in self._checks]
        if unchecked:
            missing.append(f"the declared check{'s' if len(unchecked) > 1 else ''} {', '.join(unchecked)}")
        return missing

    def _failure(self, faults: list[str]) -> dg.Failure:
        parts = [f"{self._asset.name} failed. {' '.join(faults)}"]
        if self._reader.exception is not None:
            parts.append(_exception_text(self._reader.exception))
        if self._tail.text:
            parts.append(f"The last lines of stderr:\n{self._tail.text}")
        metadata: dict[str, Any] = {"exit_code": self._ending.return_code}
        if self._tail.text:
            metadata["stderr"] = dg.MetadataValue.md(f"```\n{self._tail.text}\n```")
        allow_retries = not self._ending.timed_out and not self._is_in_vain
        return dg.Failure("\n\n".join(parts), metadata=metadata, allow_retries=allow_retries)

    def _partial(self) -> dg.Failure:
        published = {partition.key for partition in self._partitions if partition.data_version is not None}
        failed = [key for key in self._partition_keys if key not in published]
        reasons = "\n".join(f"{key}: {message}" for key, message in self._failures)
        return dg.Failure(
            f"{len(failed)} of {len(self._partition_keys)} partitions of {self._asset.name} were not published;"
            f" the others were, and a re-execution of this run leaves them as they are.\n{reasons}",
            metadata={"failed_partitions": failed[:MAX_SHOWN], "failed_count": len(failed)},
        )

    def _refusal(self) -> dg.Failure:
        failed = [
            check.name
            for check in self._asset.checks
            if check.blocking and check.severity == "ERROR" and not self._checks[check.name].passed
        ] or [name for name, result in self._checks.items() if not result.passed]
        message = (
            f"{self._asset.name} found differences, which are in its table: {', '.join(failed)} failed."
            " Nothing downstream runs."
            if self._asset.body == "validation"
            else f"{self._asset.name} was not published: {', '.join(failed)} failed on the new rows."
            " The table still holds what it held before."
        )
        return dg.Failure(
            message,
            metadata={"published": False, "failed_checks": failed},
            allow_retries=False,
        )


def _retry_later(
    context: dg.AssetExecutionContext, asset: ManifestAsset, policy: dg.RetryPolicy | None
) -> dg.RetryRequested | None:
    """Ask for another attempt, unless the asset says itself how often, or there were enough."""
    attempts = context.op_execution_context.retry_number
    if policy is None or asset.retry is not None or attempts >= policy.max_retries:
        return None
    return dg.RetryRequested(policy.max_retries, policy.calculate_delay(attempts + 1))


def _renamed(result: AnyResult, asset_key: dg.AssetKey) -> AnyResult:
    return result._replace(asset_key=asset_key)  # pyright: ignore[reportPrivateUsage]


def _outcome_of(message: Any, name: str) -> str | None:
    payload = _payload_of(message, name)
    if not payload or "partitions" in payload or "retryable" in payload:
        return None
    outcome = payload.get("outcome")
    return outcome if outcome in OUTCOMES else f"unknown ({outcome!r})"


def _payload_of(message: Any, name: str) -> Mapping[str, Any]:
    payload = _mapping(_mapping(message).get("dagster_typescript"))
    return payload if payload.get("asset_key") == name else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _exception_text(exception: Mapping[str, Any]) -> str:
    lines: list[str] = []
    prefix = ""
    current: Mapping[str, Any] | None = exception
    # A cause may name another and so on; a page of text is enough.
    while current is not None and len(lines) < 5 * STACK_LINES:
        lines.append(f"{prefix}{current.get('name')}: {current.get('message')}")
        stack = [str(line) for line in cast("Sequence[object]", current.get("stack") or ())]
        lines.extend(f"    {line.strip()}" for line in stack[:STACK_LINES] if line.strip())
        prefix = "caused by "
        current = current.get("cause")
    return "\n".join(lines)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
