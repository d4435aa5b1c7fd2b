"""The threaded executor rests on internals of Dagster. When an upgrade changes one, this fails and says which.

Then compare `dagster_project/executor.py` and `step_loop.py` with Dagster's `_core/executor/in_process.py` and
`multiprocess.py`, adapt them, and only then widen the range in `pyproject.toml` and the expectations here.
"""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

TRIED = ((1, 13, 27), (1, 14, 0))

SIGNATURES = {
    "dagster._core.execution.api:ExecuteRunWithPlanIterable.__init__": [
        "self", "execution_plan", "iterator", "execution_context_manager",
    ],
    "dagster._core.execution.context_creation_job:PlanExecutionContextManager.__init__": [
        "self", "job", "execution_plan", "run_config", "dagster_run", "instance", "retry_mode",
        "scoped_resources_builder_cm", "raise_on_error", "output_capture", "step_dependency_config",
    ],
    "dagster._core.execution.context.system:PlanExecutionContext.__init__": [
        "self", "plan_data", "execution_data", "log_manager", "output_capture", "event_loop",
    ],
    "dagster._core.execution.context.system:PlanExecutionContext.for_step": ["self", "step", "known_state"],
    "dagster._core.execution.plan.active:ActiveExecution.__init__": [
        "self", "execution_plan", "retry_mode", "sort_key_fn", "max_concurrent", "tag_concurrency_limits",
        "instance_concurrency_context", "step_dependency_config",
    ],
    "dagster._core.execution.plan.active:ActiveExecution.get_steps_to_execute": ["self", "limit"],
    "dagster._core.execution.plan.active:ActiveExecution.concurrency_event_iterator": ["self", "plan_context"],
    "dagster._core.execution.plan.active:ActiveExecution.plan_events_iterator": ["self", "job_context"],
    "dagster._core.execution.plan.active:ActiveExecution.handle_event": ["self", "dagster_event"],
    "dagster._core.execution.plan.active:ActiveExecution.verify_complete": ["self", "job_context", "step_key"],
    "dagster._core.execution.plan.active:ActiveExecution.check_for_interrupts": ["self"],
    "dagster._core.execution.plan.active:ActiveExecution.mark_interrupted": ["self"],
    "dagster._core.execution.plan.active:ActiveExecution.get_known_state": ["self"],
    "dagster._core.execution.plan.execute_plan:dagster_event_sequence_for_step": [
        "step_context", "force_local_execution",
    ],
    "dagster._core.execution.plan.execute_plan:_trigger_hook": ["step_context", "step_event_list"],
    "dagster._core.execution.plan.instance_concurrency_context:InstanceConcurrencyContext.__init__": [
        "self", "instance", "dagster_run",
    ],
    "dagster._core.execution.compute_logs:create_compute_log_file_key": [],
    "dagster._core.execution.retries:get_retries_config": [],
    "dagster._core.execution.retries:RetryMode.from_config": ["config_value"],
    "dagster._core.execution.step_dependency_config:get_step_dependency_config_field": [],
    "dagster._core.execution.tags:get_tag_concurrency_limits_config": [],
    "dagster._core.events:DagsterEvent.engine_event": ["plan_context", "message", "event_specific_data"],
    "dagster._core.events:DagsterEvent.capture_logs": ["job_context", "step_keys", "log_key", "log_context"],
    "dagster._core.events:EngineEventData.in_process": ["pid", "step_keys_to_execute"],
    "dagster._core.events:EngineEventData.interrupted": ["steps_interrupted"],
    "dagster._core.executor.base:Executor.execute": ["self", "plan_context", "execution_plan"],
    "dagster._core.storage.compute_log_manager:ComputeLogManager.open_log_stream": ["self", "log_key", "io_type"],
    "dagster._core.storage.compute_log_manager:ComputeLogManager.build_log_key_for_run": ["self", "run_id", "step_key"],
    "dagster._core.storage.local_compute_log_manager:LocalComputeLogManager.complete_artifact_path": [
        "self", "log_key",
    ],
    "dagster._core.pipes.context:PipesMessageHandler.handle_message": ["self", "message"],
    "dagster._core.pipes.context:PipesMessageHandler.report_pipes_framework_exception": ["self", "origin", "exc_info"],
    "dagster._core.pipes.utils:open_pipes_session": ["context", "context_injector", "message_reader", "extras"],
    "dagster.components.utils.translation:TranslationFnResolver.__init__": [
        "self", "template_vars_for_translation_fn", "model_field_type",
    ],
}  # fmt: skip

# The loops that ours is made after: read again what they do when they change.
SOURCES = {
    "dagster._core.execution.plan.execute_plan:inner_plan_execution_iterator": [
        "execution_plan.start(",
        "active_execution.concurrency_event_iterator(job_context)",
        "job_context.for_step(step, active_execution.get_known_state())",
        "active_execution.handle_event(dagster_event)",
        "active_execution.verify_complete(job_context, step.key)",
        "active_execution.plan_events_iterator(job_context)",
        "_trigger_hook(step_context, step_event_list)",
    ],
    "dagster._core.executor.multiprocess:MultiprocessExecutor.execute": [
        "active_execution.check_for_interrupts()",
        "active_execution.mark_interrupted()",
        "raise DagsterExecutionInterruptedError()",
    ],
    "dagster._core.execution.plan.plan:ExecutionPlan.start": ["ActiveExecution("],
}


def resolve(reference: str) -> Any:
    module, _, path = reference.partition(":")
    target: Any = importlib.import_module(module)
    for name in path.split("."):
        target = getattr(target, name)
    return target


def version_of(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize(("reference", "parameters"), SIGNATURES.items(), ids=SIGNATURES.keys())
def test_what_the_executor_calls_still_has_the_same_parameters(reference: str, parameters: list[str]) -> None:
    assert list(inspect.signature(resolve(reference)).parameters) == parameters


@pytest.mark.parametrize(("reference", "phrases"), SOURCES.items(), ids=SOURCES.keys())
def test_the_loops_that_it_is_made_after_still_do_the_same(reference: str, phrases: list[str]) -> None:
    source = inspect.getsource(resolve(reference))
    assert [phrase for phrase in phrases if phrase not in source] == []


def test_the_installed_dagster_is_in_the_range_that_was_tried() -> None:
    first, after_last = TRIED
    assert first <= version_of(dg.__version__) < after_last


def test_the_package_asks_for_the_range_that_was_tried() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    (lower, upper) = re.findall(r'"dagster>=([\d.]+),<([\d.]+)"', project)[0]
    assert version_of(lower) == TRIED[0]
    assert version_of(f"{upper}.0") == TRIED[1]
