"""Run a job with real steps in this process and print how long each took, and from the first start to the last end."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project import TypeScriptAssetsComponent, threaded_executor

NO_OPS = 10
LIMIT = 10


def no_ops() -> dg.JobDefinition:
    """Return the no-ops of both languages, one after the other in one process."""
    return _job("noop", dg.in_process_executor)


def waits_threaded() -> dg.JobDefinition:
    """Return the waits under the executor of this project."""
    return _job("waits", threaded_executor)


def waits_multiprocess() -> dg.JobDefinition:
    """Return the waits under Dagster's default executor."""
    return _job("waits", dg.multiprocess_executor)


def waits_in_process() -> dg.JobDefinition:
    """Return the waits under Dagster's executor for one process."""
    return _job("waits", dg.in_process_executor)


JOBS = {job.__name__: job for job in (no_ops, waits_threaded, waits_multiprocess, waits_in_process)}


def _job(group: str, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    warnings.simplefilter("ignore")
    ours = TypeScriptAssetsComponent().build_project_defs(Path(os.environ["BENCH_PROJECT"]))
    job = dg.define_asset_job("job", selection=dg.AssetSelection.groups(group), executor_def=executor)
    theirs = dg.Definitions(assets=[_python_no_op(number) for number in range(NO_OPS)], jobs=[job])
    return dg.Definitions.merge(ours, theirs).resolve_job_def("job")


def _python_no_op(number: int) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"noop__no_op_{number}_python",
        specs=[dg.AssetSpec(["noop", f"no_op_{number}_python"], group_name="noop")],
    )
    def step() -> Iterator[dg.MaterializeResult[Any]]:
        yield dg.MaterializeResult()

    return step


def main() -> None:
    """Run the job that the argument names."""
    job = JOBS[sys.argv[1]]
    config = {"execution": {"config": {"max_concurrent": LIMIT}}}
    has_limit = job in (waits_threaded, waits_multiprocess)
    with dg.DagsterInstance.get() as instance:
        run = dg.execute_job(dg.reconstructable(job), instance, run_config=config if has_limit else {})
        entries = instance.all_logs(run.run_id)
    if not run.success:
        sys.exit("the run failed")
    started: dict[str, float] = {}
    ended: dict[str, float] = {}
    for entry in entries:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_START:
            started[event.step_key] = entry.timestamp
        elif event.event_type is dg.DagsterEventType.STEP_SUCCESS:
            ended[event.step_key] = entry.timestamp
    steps = {key: ended[key] - started[key] for key in started}
    result = {
        "steps": steps,
        "span": max(ended.values()) - min(started.values()),
        "run": max(entry.timestamp for entry in entries) - min(entry.timestamp for entry in entries),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
