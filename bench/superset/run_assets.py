"""Materialize assets in one run, and print when each of their steps began and ended."""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import os
import sys
import warnings
from pathlib import Path

import dagster as dg

from dagster_project import TypeScriptAssetsComponent, threaded_executor


def assets() -> dg.JobDefinition:
    """Return a job of the assets that ``BENCH_ASSETS`` names."""
    warnings.simplefilter("ignore")
    keys = [dg.AssetKey(name.split("/")) for name in os.environ["BENCH_ASSETS"].split(",")]
    ours = TypeScriptAssetsComponent().build_project_defs(Path(os.environ["BENCH_PROJECT"]))
    job = dg.define_asset_job("job", selection=dg.AssetSelection.assets(*keys), executor_def=threaded_executor)
    return dg.Definitions.merge(ours, dg.Definitions(jobs=[job])).resolve_job_def("job")


def main() -> None:
    """Run it."""
    with dg.DagsterInstance.get() as instance:
        run = dg.execute_job(dg.reconstructable(assets), instance)
        entries = instance.all_logs(run.run_id)
    steps: dict[str, dict[str, float]] = {}
    for entry in entries:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type is dg.DagsterEventType.STEP_START:
            steps.setdefault(event.step_key, {})["start"] = entry.timestamp
        elif event.event_type is dg.DagsterEventType.STEP_SUCCESS:
            steps.setdefault(event.step_key, {})["end"] = entry.timestamp
    if not run.success:
        failures = [entry.dagster_event for entry in entries if entry.dagster_event]
        sys.exit("\n".join(str(event.event_specific_data) for event in failures if event.is_failure))
    print(json.dumps(steps))


if __name__ == "__main__":
    main()
