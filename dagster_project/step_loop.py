"""The loop of the threaded executor: starts steps in threads, passes their events on, and stops them."""

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import (
    _trigger_hook,  # pyright: ignore[reportPrivateUsage]
    dagster_event_sequence_for_step,
)
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep
from dagster._utils.error import serializable_error_info_from_exc_info

from dagster_project.inbox import Inbox
from dagster_project.step_logs import StandardStreams, StepLogs
from dagster_project.supervision import StepSupervision, supervised

_POLL_SECONDS = 0.1
# A Python step that does not end when interrupted is left behind: its thread dies with the run process.
_ABANDON_SECONDS = 30

_INTERRUPTS = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None


@dataclass
class _RunningStep:
    thread: threading.Thread
    supervision: StepSupervision


class StepLoop:
    """The main thread's part: starts steps, takes their events, listens for interrupts."""

    def __init__(
        self, job_context: PlanExecutionContext, active: ActiveExecution, streams: StandardStreams, max_concurrent: int
    ) -> None:
        """Take a run and where its steps stand."""
        self._job_context = job_context
        self._active = active
        self._streams = streams
        self._max_concurrent = max_concurrent
        self._events: Inbox[tuple[str, dg.DagsterEvent | _Ended]] = Inbox()
        self._running: dict[str, _RunningStep] = {}
        self._retries: dict[str, dg.DagsterEvent] = {}
        self._errors: list[BaseException] = []
        self._stop_deadline: float | None = None

    @property
    def _stopping(self) -> bool:
        return self._stop_deadline is not None

    def run(self) -> Iterator[dg.DagsterEvent]:
        """Run every step that becomes ready and yield the events; raise the first error at the end."""
        try:
            while self._running or not (self._stopping or self._active.is_complete):
                if self._active.check_for_interrupts():
                    yield dg.DagsterEvent.engine_event(
                        self._job_context,
                        "Threaded executor: received termination signal - forwarding to the running steps",
                        EngineEventData.interrupted(list(self._running)),
                    )
                    self._errors.append(dg.DagsterExecutionInterruptedError())
                    self._stop()
                if not self._stopping:
                    yield from self._start_ready_steps()
                yield from self._take_events()
                yield from self._active.plan_events_iterator(self._job_context)
                if self._stop_deadline is not None and time.monotonic() > self._stop_deadline:
                    yield self._abandon()
                    break
        finally:
            if self._running:
                # The loop itself failed or was closed: nothing may go on behind the run's back.
                self._stop()
                for step in self._running.values():
                    step.thread.join(max(0, (self._stop_deadline or 0) - time.monotonic()))
        self._raise_first_error()

    def _start_ready_steps(self) -> Iterator[dg.DagsterEvent]:
        steps = self._active.get_steps_to_execute(limit=self._max_concurrent - len(self._running))
        yield from self._active.concurrency_event_iterator(self._job_context)
        for step in steps:
            logs = StepLogs(self._job_context.instance.compute_log_manager, self._job_context.run_id)
            supervision = StepSupervision(logs.streams)
            thread = threading.Thread(
                target=self._run_step,
                args=(step, self._active.get_known_state(), supervision, logs),
                name=f"step {step.key}",
                daemon=True,
            )
            yield from logs.open(self._job_context, step.key)
            self._running[step.key] = _RunningStep(thread, supervision)
            thread.start()

    def _take_events(self) -> Iterator[dg.DagsterEvent]:
        for key, item in self._events.take(_POLL_SECONDS):
            if isinstance(item, _Ended):
                del self._running[key]
                if key in self._retries:
                    self._active.handle_event(self._retries.pop(key))
                self._active.verify_complete(self._job_context, key)
                if item.error is not None:
                    self._errors.append(item.error)
                    self._stop()
            elif item.is_step_up_for_retry:
                # Handled when this attempt's thread has ended: the next one may start at once.
                self._retries[key] = item
                yield item
            else:
                yield item
                self._active.handle_event(item)

    def _stop(self) -> None:
        """Tell every running step to stop; those that do not listen are interrupted by force."""
        if self._stop_deadline is None:
            self._stop_deadline = time.monotonic() + _ABANDON_SECONDS
            self._active.mark_interrupted()
            for step in self._running.values():
                watched = step.supervision.is_watched
                step.supervision.interrupt()
                if not watched:
                    _raise_in_thread(step.thread, dg.DagsterExecutionInterruptedError)

    def _abandon(self) -> dg.DagsterEvent:
        keys = list(self._running)
        return dg.DagsterEvent.engine_event(
            self._job_context,
            f"Threaded executor: steps that did not stop within {_ABANDON_SECONDS} s are left behind: {keys}",
            EngineEventData.interrupted(keys),
        )

    def _raise_first_error(self) -> None:
        # An error of a step explains more than the interrupts that it caused in the others.
        for error in [*(e for e in self._errors if not isinstance(e, _INTERRUPTS)), *self._errors]:
            raise error

    def _run_step(
        self, step: ExecutionStep, known_state: KnownExecutionState, supervision: StepSupervision, logs: StepLogs
    ) -> None:
        """The step's thread: put its events, then those of its hooks, into the queue."""
        error: BaseException | None = None
        try:
            with self._streams.redirected(supervision), supervised(supervision):
                self._drive_step(step, known_state)
        except BaseException as raised:
            error = raised
        try:
            logs.close()
        except Exception:
            self._events.put((step.key, self._logs_not_closed()))
        self._events.put((step.key, _Ended(error)))

    def _logs_not_closed(self) -> dg.DagsterEvent:
        return dg.DagsterEvent.engine_event(
            self._job_context,
            "Exception while cleaning up compute log capture",
            EngineEventData(error=serializable_error_info_from_exc_info(sys.exc_info())),
        )

    def _drive_step(self, step: ExecutionStep, known_state: KnownExecutionState) -> None:
        loop = asyncio.new_event_loop()
        try:
            step_context = _with_event_loop(self._job_context, loop).for_step(step, known_state)
            for key in step_context.required_resource_keys:
                if not hasattr(step_context.resources, key):
                    raise dg.DagsterInvariantViolationError(f"step {step.key} lacks its resource {key}")
            step_events: list[dg.DagsterEvent] = []
            for event in dagster_event_sequence_for_step(step_context):
                step_events.append(event)
                self._events.put((step.key, event))
            for event in _trigger_hook(step_context, step_events):
                self._events.put((step.key, event))
        finally:
            loop.close()


def _with_event_loop(job_context: PlanExecutionContext, loop: asyncio.AbstractEventLoop) -> PlanExecutionContext:
    """Give a step an event loop of its own: one loop cannot run in two threads."""
    return PlanExecutionContext(
        plan_data=job_context.plan_data,
        execution_data=job_context._execution_data,  # pyright: ignore[reportPrivateUsage]
        log_manager=job_context.log,
        output_capture=job_context.output_capture,
        event_loop=loop,
    )


def _raise_in_thread(thread: threading.Thread, error: type[BaseException]) -> None:
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
