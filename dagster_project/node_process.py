"""A Node process while it runs: its output, its time limit, and its end."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import dagster as dg

from dagster_project.node import find_node
from dagster_project.redaction import Redactor, StreamRedactor
from dagster_project.report import StderrTail
from dagster_project.supervision import StepSupervision, StreamName

_READ_BYTES = 65536
# A grandchild may hold the output open after Node has gone; by then it was killed with its group.
_DRAIN_SECONDS = 5


@dataclass(frozen=True)
class NodeProgram:
    """A program of the project that Node runs, without a shell.

    Args:
        project_dir: The project of the definitions; the working directory of Node.
        entry: The script and what stands before the name of the definition.
        node: The Node to use; by default the one that the project pins.
        grace_seconds: How long Node may take to end by itself, once asked, before its process group is killed.
        environment: Variables to add to those of this process.
    """

    project_dir: Path
    entry: Sequence[str]
    node: Path | None = None
    grace_seconds: float = 5.0
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def command(self, *arguments: str) -> Sequence[str]:
        """Return the command line."""
        return [str(self.node or find_node(self.project_dir)), *self.entry, *arguments]

    def variables(self) -> dict[str, str]:
        """Return the environment of the process."""
        cache = self.project_dir / ".state" / "compile_cache"
        return {"NODE_COMPILE_CACHE": str(cache), **os.environ, **self.environment}


def start_node(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start Node without a shell.

    Raises:
        dagster.Failure: if it cannot be started.
    """
    try:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            # Kept open: Node ends when it closes, so it never outlives this process.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own: a Ctrl-C in the terminal reaches Node only through this process.
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        raise dg.Failure(f"`{' '.join(command)}` could not be started: {error}", allow_retries=False) from error


class Ending:
    """How a process ended: by itself, at its time limit, or because the run was interrupted."""

    def __init__(self, process: "subprocess.Popen[bytes]", timeout_seconds: float, grace_seconds: float) -> None:
        """Take a process that runs, and its limits."""
        self._process = process
        self._grace_seconds = grace_seconds
        self.timeout_seconds = timeout_seconds
        self.timed_out = False
        self.killed = False

    @property
    def return_code(self) -> int:
        """The exit code; negative for a signal."""
        return self._process.returncode

    def wait(self, wake: threading.Event, supervision: StepSupervision, warn: Callable[[str], None]) -> None:
        """Wait for the end; on an interrupt, which sets ``wake``, end the process and raise."""
        ended = threading.Event()
        threading.Thread(target=self._reap, args=(ended, wake), name="node-wait", daemon=True).start()
        deadline = time.monotonic() + self.timeout_seconds
        try:
            # Under Dagster's own executors an interrupt is an exception that comes out of this wait.
            wake.wait(deadline - time.monotonic())
            if ended.is_set():
                return
            if supervision.interrupted:
                raise dg.DagsterExecutionInterruptedError("the run was interrupted")
            self.timed_out = True
            warn(f"The time limit of {self.timeout_seconds:g} s has passed; ending the Node process.")
            self._end(signal.SIGTERM, ended)
        except BaseException:
            self._end(signal.SIGINT, ended)
            raise

    def _end(self, gentle: signal.Signals, ended: threading.Event) -> None:
        try:
            if not ended.is_set():
                self._process.send_signal(gentle)
                ended.wait(self._grace_seconds)
        finally:
            if not ended.is_set():
                self.killed = True
                _kill_group(self._process.pid)
                ended.wait()

    def _reap(self, ended: threading.Event, wake: threading.Event) -> None:
        pid = self._process.pid
        if hasattr(os, "waitid"):
            # Not reaped yet, its number cannot be another's: what it left behind in its group can be killed safely.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            _kill_group(pid)
        self._process.wait()
        ended.set()
        wake.set()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Pumps:
    """Copies the output of a process to the step's raw logs while the block runs, then closes all its pipes."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", redactor: Redactor, supervision: StepSupervision, tail: StderrTail
    ) -> None:
        """Take a process that runs."""
        self._process = process
        self._threads = [
            threading.Thread(target=self._pump, args=(name, stream, redactor, supervision, tail), daemon=True)
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]

    def __enter__(self) -> None:
        """Start to read."""
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        """Read to the end."""
        for thread in self._threads:
            thread.join(_DRAIN_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @staticmethod
    def _pump(
        name: StreamName, stream: IO[bytes], redactor: Redactor, supervision: StepSupervision, tail: StderrTail
    ) -> None:
        pieces = StreamRedactor(redactor)
        broken = False

        def show(data: bytes) -> None:
            nonlocal broken
            if name == "stderr":
                tail.add(data)
            if data and not broken:
                try:
                    supervision.write(name, data)
                except (OSError, ValueError):
                    # A full disk must not stop the reading: Node would wait for ever to write.
                    broken = True

        try:
            while data := stream.read(_READ_BYTES):
                show(pieces.feed(data))
        except (OSError, ValueError):
            pass
        show(pieces.finish())
