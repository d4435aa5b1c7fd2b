"""Raw logs for steps that share a process: each step's own stdout and stderr files."""

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import IO, Any, TextIO, cast

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType, ComputeLogManager
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._utils import touch_file
from dagster._utils.error import serializable_error_info_from_exc_info

from dagster_project.supervision import StepSupervision, StreamName


class StepLogs:
    """The raw logs of one attempt of a step.

    ``capture_logs``, which Dagster's own executors use, redirects the streams of the whole process, so the lines of
    parallel steps would land in one file.
    """

    def __init__(self, manager: ComputeLogManager[Any], run_id: str) -> None:
        """Name the logs; nothing is opened yet."""
        self._manager = manager
        self._log_key = manager.build_log_key_for_run(run_id, create_compute_log_file_key())
        self._stack = ExitStack()
        self.streams: dict[StreamName, IO[bytes]] = {}

    def open(self, job_context: PlanExecutionContext, step_key: str) -> Iterator[dg.DagsterEvent]:
        """Open the logs and yield the event that tells the UI where they are; a step runs without logs if it must."""
        try:
            for name, io_type in (("stdout", ComputeIOType.STDOUT), ("stderr", ComputeIOType.STDERR)):
                stream: Any = self._stack.enter_context(self._manager.open_log_stream(self._log_key, io_type))
                if stream is not None:
                    # The local manager opens text; the lines of a process are bytes.
                    self.streams[cast("StreamName", name)] = getattr(stream, "buffer", stream)
            yield dg.DagsterEvent.capture_logs(
                job_context, [step_key], self._log_key, CapturedLogContext(self._log_key)
            )
        except Exception:
            yield dg.DagsterEvent.engine_event(
                job_context,
                "Exception while setting up compute log capture",
                EngineEventData(error=serializable_error_info_from_exc_info(sys.exc_info())),
            )

    def close(self) -> None:
        """Close the logs, so that the UI knows that they are complete."""
        self.streams.clear()
        self._stack.close()
        if isinstance(self._manager, LocalComputeLogManager):
            touch_file(self._manager.complete_artifact_path(self._log_key))  # pyright: ignore[reportUnknownMemberType]


_redirection: ContextVar[StepSupervision | None] = ContextVar("dagster_project_redirection", default=None)


class StandardStreams:
    """While entered, what a Python step prints goes to its own raw log too."""

    def __enter__(self) -> "StandardStreams":
        """Put ourselves before the streams of the process."""
        self._originals = (sys.stdout, sys.stderr)
        sys.stdout = cast("TextIO", _Tee(sys.stdout, "stdout"))
        sys.stderr = cast("TextIO", _Tee(sys.stderr, "stderr"))
        return self

    def __exit__(self, *_: object) -> None:
        """Put the streams of the process back."""
        sys.stdout, sys.stderr = self._originals

    @contextmanager
    def redirected(self, supervision: StepSupervision) -> Generator[None]:
        """Send what this thread prints to a step's logs."""
        token = _redirection.set(supervision)
        try:
            yield
        finally:
            _redirection.reset(token)


class _Tee:
    def __init__(self, original: TextIO, name: StreamName) -> None:
        self._original = original
        self._name: StreamName = name

    def write(self, text: str) -> int:
        supervision = _redirection.get()
        if supervision is not None and supervision.wants(self._name):
            supervision.write(self._name, text.encode(errors="replace"))
        return self._original.write(text)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._original, attribute)
