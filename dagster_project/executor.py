"""An executor that runs ready steps in threads of the run process.

A step of ours is only a wait for a Node process, so threads give parallel steps without the 3 to 4 seconds that a
Python process per step costs. It is built from the same parts as Dagster's own executors (``in_process.py`` for the
frame, ``multiprocess.py`` for the loop, which is in ``step_loop.py``);
``test/unit/dagster/test_executor_contract.py`` holds what both rely on.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, cast

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.step_dependency_config import StepDependencyConfig, get_step_dependency_config_field
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster._core.executor.base import Executor

from dagster_project.step_logs import StandardStreams
from dagster_project.step_loop import StepLoop

# Steps of one run whose op has this tag with the same value run one at a time.
EXCLUSIVE_TAG = "dagster_typescript/exclusive"
DEFAULT_MAX_CONCURRENT = 10


class ThreadedExecutor(Executor):
    """Runs each ready step in a thread of its own."""

    def __init__(
        self,
        retries: RetryMode,
        max_concurrent: int = DEFAULT_MAX_CONCURRENT,
        tag_concurrency_limits: Sequence[Mapping[str, Any]] = (),
        step_dependency_config: StepDependencyConfig | None = None,
    ) -> None:
        """Take the limits of one run."""
        if max_concurrent < 1:
            raise dg.DagsterInvalidConfigError(f"max_concurrent must be at least 1, got {max_concurrent}", [], None)
        self._retries = retries
        self._max_concurrent = max_concurrent
        self._tag_concurrency_limits = [dict(limit) for limit in tag_concurrency_limits]
        self._step_dependency_config = step_dependency_config or StepDependencyConfig.default()

    @property
    def retries(self) -> RetryMode:
        """Whether steps are retried."""
        return self._retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """Whether a step waits for the success of its upstream steps or only for their outputs."""
        return self._step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Run the steps of a plan and yield their events."""
        pid = os.getpid()
        started = time.monotonic()
        yield dg.DagsterEvent.engine_event(
            plan_context,
            f"Executing steps in threads, at most {self._max_concurrent} at once (pid: {pid})",
            event_specific_data=EngineEventData.in_process(pid, execution_plan.step_keys_to_execute),
        )
        yield from ExecuteRunWithPlanIterable(
            execution_plan=plan_context.execution_plan,
            iterator=self._run_steps,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=plan_context.execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
                step_dependency_config=self.step_dependency_config,
            ),
        )
        yield dg.DagsterEvent.engine_event(
            plan_context,
            f"Finished steps in threads after {time.monotonic() - started:.1f} s (pid: {pid})",
            event_specific_data=EngineEventData.in_process(pid, execution_plan.step_keys_to_execute),
        )

    def _run_steps(self, job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator[dg.DagsterEvent]:
        with ExitStack() as stack:
            streams = stack.enter_context(StandardStreams())
            concurrency = stack.enter_context(InstanceConcurrencyContext(job_context.instance, job_context.dagster_run))
            active = stack.enter_context(
                ActiveExecution(
                    execution_plan,
                    retry_mode=job_context.retry_mode,
                    max_concurrent=self._max_concurrent,
                    tag_concurrency_limits=[
                        *self._tag_concurrency_limits,
                        {"key": EXCLUSIVE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1},
                    ],
                    instance_concurrency_context=concurrency,
                    step_dependency_config=self.step_dependency_config,
                )
            )
            yield from StepLoop(job_context, active, streams, self._max_concurrent).run()


@dg.executor(
    name="threaded",
    config_schema={
        "max_concurrent": dg.Field(
            int,
            default_value=DEFAULT_MAX_CONCURRENT,
            description="How many steps of a run may run at once, each in a thread of the run process.",
        ),
        "tag_concurrency_limits": get_tag_concurrency_limits_config(),
        "retries": get_retries_config(),
        "step_dependency_config": get_step_dependency_config_field(),
    },
)
def threaded_executor(init_context: dg.InitExecutorContext) -> ThreadedExecutor:
    """Run steps in threads of the run process; for steps that only wait, as ours do for Node."""
    config = cast("Mapping[str, Any]", init_context.executor_config)
    return ThreadedExecutor(
        retries=RetryMode.from_config(config["retries"]) or RetryMode.ENABLED,  # pyright: ignore[reportUnknownMemberType]
        max_concurrent=config["max_concurrent"],
        tag_concurrency_limits=config.get("tag_concurrency_limits") or (),
        step_dependency_config=StepDependencyConfig.from_config(config.get("step_dependency_config")),  # pyright: ignore[reportArgumentType]
    )
