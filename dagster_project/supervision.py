"""What an executor may give the step that runs in one of its threads: raw logs, and news of an interrupt.

Under an executor that gives nothing (each of Dagster's own), the step's raw logs are the process's standard streams,
which Dagster captures, and an interrupt is an exception in the main thread.
"""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO, Literal

StreamName = Literal["stdout", "stderr"]


class StepSupervision:
    """One attempt of one step, seen from both sides: the executor's and the launcher's."""

    def __init__(self, streams: dict[StreamName, IO[bytes]] | None = None) -> None:
        """Take the raw log streams of the step, which may be opened later."""
        self._streams = {} if streams is None else streams
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._interrupted = False
        self._claimed = False

    @property
    def interrupted(self) -> bool:
        """Whether the step was told to stop."""
        return self._interrupted

    @property
    def is_watched(self) -> bool:
        """Whether the step listens; one that does not can only be stopped by force."""
        with self._lock:
            return bool(self._callbacks)

    def interrupt(self) -> None:
        """Tell the step to stop (called by the executor)."""
        with self._lock:
            self._interrupted = True
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    @contextmanager
    def watch(self, callback: Callable[[], None]) -> Generator[None]:
        """Call back on an interrupt, at once if it has come already."""
        with self._lock:
            self._callbacks.append(callback)
            interrupted = self._interrupted
        if interrupted:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    def claim_logs(self) -> None:
        """Keep the raw logs for the output of a child process, without what this process prints about it."""
        self._claimed = True

    def wants(self, stream: StreamName) -> bool:
        """Whether what this process prints in the step's thread belongs to the step's raw log."""
        return stream in self._streams and not self._claimed

    def write(self, stream: StreamName, data: bytes) -> None:
        """Append to a raw log of the step; without one, to the stream of the process."""
        target = self._streams.get(stream)
        if target is None:
            _write_to_process(stream, data)
        else:
            with self._lock:
                target.write(data)
                target.flush()


def _write_to_process(stream: StreamName, data: bytes) -> None:
    target = sys.stdout if stream == "stdout" else sys.stderr
    binary: IO[bytes] | None = getattr(target, "buffer", None)
    if binary is None:
        target.write(data.decode(errors="replace"))
    else:
        target.flush()
        binary.write(data)
    target.flush()


_current: ContextVar[StepSupervision | None] = ContextVar("dagster_project_step_supervision", default=None)


def current_supervision() -> StepSupervision:
    """Return the supervision of the step that runs in this thread."""
    return _current.get() or StepSupervision()


@contextmanager
def supervised(supervision: StepSupervision) -> Generator[None]:
    """Make a supervision current in this thread."""
    token = _current.set(supervision)
    try:
        yield
    finally:
        _current.reset(token)
