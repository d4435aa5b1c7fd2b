"""Evaluate the schedule that repairs drift, carry out the run that it requests, and evaluate it again.

With assets as arguments it materializes those, and does nothing else.
In the current folder is a project with a `definitions.py`; `DAGSTER_HOME` names the instance.
Prints a JSON object:
`requested`, the keys that the first tick asked for, and `after`, why the second one asked for nothing.
"""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import sys
from pathlib import Path

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository


def main() -> None:
    """Run it."""
    repository = ReconstructableRepository.for_file("definitions.py", "defs", str(Path.cwd()))
    schedule = repository.get_definition().get_schedule_def("superset_reconcile")
    with dg.DagsterInstance.get() as instance:

        def tick() -> tuple[list[dg.AssetKey], str | None]:
            data = schedule.evaluate_tick(dg.build_schedule_context(instance))
            requests = data.run_requests or []
            return [key for request in requests for key in request.asset_selection or []], data.skip_message

        job = repository.get_reconstructable_job("__ASSET_JOB")
        if sys.argv[1:]:
            named = [dg.AssetKey(argument.split("/")) for argument in sys.argv[1:]]
            if not dg.execute_job(job, instance, asset_selection=named).success:
                sys.exit("the assets could not be materialized")
            return
        keys, skipped = tick()
        if not keys:
            sys.exit(f"the schedule asked for nothing: {skipped}")
        if not dg.execute_job(job, instance, asset_selection=keys).success:
            sys.exit("the run that the schedule asked for failed")
        again, after = tick()
        if again:
            sys.exit(f"the schedule asked again for {[key.to_user_string() for key in again]}")
        print(json.dumps({"requested": sorted(key.to_user_string() for key in keys), "after": after}))


if __name__ == "__main__":
    main()
