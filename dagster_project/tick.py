"""One tick of a sensor or schedule: start Node, wait for its answer, and believe only a whole one."""

import contextlib
import json
import logging
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from dataclasses import dataclass as plain_dataclass
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dagster_project.manifest import ManifestTrigger
from dagster_project.node_process import Ending, NodeProgram, Pumps, start_node
from dagster_project.pipes_folder import pipes_folder
from dagster_project.redaction import Redactor, find_secrets
from dagster_project.report import StderrTail
from dagster_project.supervision import StepSupervision, StreamName

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_LOG_BYTES = 16 * 1024 * 1024
# Of Node, when the event loop has nothing left to do and somebody still waits.
_UNSETTLED = 13
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_STRICT = ConfigDict(strict=True, extra="forbid")


class TickError(Exception):
    """A tick failed: it asks for nothing, and the cursor stays as it was."""


@plain_dataclass(frozen=True)
class WatchedMaterialization:
    """A materialization of an asset that a sensor watches."""

    asset: str
    partition: str | None
    data_version: str | None
    changed: bool
    run_id: str
    at: str


@plain_dataclass(frozen=True)
class TickInput:
    """What Node is told of a tick."""

    now: datetime
    cursor: str | None = None
    scheduled_at: datetime | None = None
    materializations: Sequence[WatchedMaterialization] = ()

    def as_line(self) -> bytes:
        """Return the one line of JSON that Node reads."""
        document = {
            "now": self.now.isoformat(),
            "cursor": self.cursor,
            "scheduled_at": None if self.scheduled_at is None else self.scheduled_at.isoformat(),
            "materializations": [asdict(one) for one in self.materializations],
        }
        return json.dumps(document).encode() + b"\n"


@dataclass(frozen=True, config=_STRICT)
class TickRange:
    """Partitions from one to another, both included."""

    start: str
    end: str


@dataclass(frozen=True, config=_STRICT)
class TickRun:
    """A run that Node asks for."""

    run_key: str | None
    assets: tuple[str, ...]
    partition_keys: tuple[str, ...] | None
    partition_range: TickRange | None
    tags: Mapping[str, str]
    run_config: Mapping[str, Any]


@dataclass(frozen=True, config=_STRICT)
class TickPartitions:
    """Keys of a list of dynamic partitions."""

    list: str
    keys: tuple[str, ...]


@dataclass(frozen=True, config=_STRICT)
class TickResult:
    """Everything that a tick asks for."""

    runs: tuple[TickRun, ...]
    skip: str | None
    cursor: str | None
    add_partitions: tuple[TickPartitions, ...]
    delete_partitions: tuple[TickPartitions, ...]


@dataclass(frozen=True, config=_STRICT)
class _Error:
    name: str
    message: str
    stack: str


@dataclass(frozen=True, config=_STRICT)
class _Answer:
    result: TickResult | None = None
    error: _Error | None = None


@dataclass(frozen=True, config=_STRICT)
class _LogLine:
    level: Literal["debug", "info", "warning", "error"]
    message: str


@cache
def _answers() -> TypeAdapter[_Answer]:
    return TypeAdapter(_Answer)


@cache
def _log_lines() -> TypeAdapter[_LogLine]:
    return TypeAdapter(_LogLine)


@plain_dataclass(frozen=True)
class NodeEvaluator(NodeProgram):
    """Starts ``node runtime/evaluate.ts <sensor or schedule>`` for a tick, without a shell."""

    entry: Sequence[str] = ("runtime/evaluate.ts",)
    grace_seconds: float = 2.0

    def evaluate(
        self, trigger: ManifestTrigger, kind: Literal["sensor", "schedule"], tick: TickInput, log: logging.Logger
    ) -> TickResult:
        """Evaluate a tick; what Node logs goes to the log of the tick, also when it fails.

        Raises:
            TickError: if the answer is an error, is not whole, or does not come in time; the message says what.
        """
        environment = self.variables()
        redactor = Redactor(find_secrets(environment))
        tail = StderrTail()
        printed: dict[StreamName, _Printed] = {"stdout": _Printed(), "stderr": _Printed()}
        supervision = StepSupervision({name: stream for name, stream in printed.items()})
        wake = threading.Event()
        with pipes_folder(self.project_dir) as folder:
            command = self.command(trigger.name, str(folder))
            process = start_node(command, self.project_dir, environment)
            ending = Ending(process, trigger.timeout_seconds, self.grace_seconds)
            with Pumps(process, redactor, supervision, tail):
                _write(process, tick.as_line())
                ending.wait(wake, supervision, log.warning)
            for line in _read_log(folder / "log.jsonl"):
                log.log(_LEVELS[line.level], line.message)
            for name, stream in printed.items():
                if stream.tail:
                    log.info(f"The last of its {name}:\n{stream.tail}")
            answer = _read_answer(folder / "result.json")
        if isinstance(answer, _Answer) and answer.result is not None and ending.return_code == 0:
            return answer.result
        raise TickError(redactor.redact(_explain(f"the {kind} {trigger.name}", answer, ending, tail.text)))


class _Printed(BytesIO):
    """The last of what Node prints."""

    def __init__(self) -> None:
        super().__init__()
        self._tail = StderrTail()

    def write(self, data: Any, /) -> int:
        self._tail.add(bytes(data))
        return len(data)

    @property
    def tail(self) -> str:
        return self._tail.text


def _write(process: "subprocess.Popen[bytes]", line: bytes) -> None:
    """Hand Node its line without waiting: one that hangs never reads it."""

    def write() -> None:
        with contextlib.suppress(OSError, ValueError):
            rest = memoryview(line)
            while rest and process.stdin is not None:
                rest = rest[process.stdin.write(rest) or 0 :]

    threading.Thread(target=write, name="node-stdin", daemon=True).start()


def _read_log(path: Path) -> Iterator[_LogLine]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LOG_BYTES)
    except FileNotFoundError:
        return
    for line in content.splitlines():
        # Killed in the middle of a line.
        with contextlib.suppress(ValidationError):
            yield _log_lines().validate_json(line)


def _read_answer(path: Path) -> _Answer | str:
    try:
        if path.stat().st_size > MAX_ANSWER_BYTES:
            return f"answered with {path.stat().st_size:,} bytes, and at most {MAX_ANSWER_BYTES:,} are read"
        return _answers().validate_json(path.read_bytes())
    except FileNotFoundError:
        return "ended without an answer"
    except ValidationError as error:
        return f"gave an answer that this version of dagster_project cannot read: {error.errors(include_url=False)[0]}"


def _explain(who: str, answer: _Answer | str, ending: Ending, tail: str) -> str:
    """Say what went wrong, the nearest cause first."""
    parts: list[str] = []
    if ending.timed_out:
        end = ", did not listen, and was killed" if ending.killed else ""
        parts.append(f"{who} took longer than its limit of {ending.timeout_seconds:g} s{end}")
    elif isinstance(answer, _Answer) and answer.error is not None:
        parts.append(f"{who} failed: {answer.error.name}: {answer.error.message}\n{answer.error.stack}".rstrip())
    elif ending.return_code == _UNSETTLED:
        parts.append(f"{who} waits for something that never comes: nothing is left that could settle its promise")
    elif isinstance(answer, str):
        parts.append(f"{who} {answer} ({_ended(ending.return_code)})")
    else:
        parts.append(f"{who} answered, but {_ended(ending.return_code)}")
    if tail:
        parts.append(f"The last lines of stderr:\n{tail}")
    parts.append("Nothing was requested, and the cursor is as it was.")
    return "\n".join(parts)


def _ended(return_code: int) -> str:
    if return_code >= 0:
        return f"its process ended with exit code {return_code}"
    with contextlib.suppress(ValueError):
        return f"its process was ended by {signal.Signals(-return_code).name}"
    return f"its process was ended by signal {-return_code}"
