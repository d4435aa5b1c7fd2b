"""Materialize an asset beside a daemon of Dagster, and print when what is in Superset had followed by itself.

Arguments: the asset, and what is in Superset and comes last, both as in Dagster. In the current folder is a project
with a `definitions.py`; `DAGSTER_HOME` names the instance. Prints a JSON object of seconds: `synced`, from the end of
the materialization to that of the other.
"""

# Dagster's own annotations leave type parameters open.
# pyright: reportUnknownMemberType=false

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.scheduler.instigation import TickStatus

# Only a hang reaches it: the machine may be busy with other things.
DEADLINE_SECONDS = 300

Found = TypeVar("Found")


def main() -> None:
    """Run it."""
    asset, last = (dg.AssetKey(argument.split("/")) for argument in sys.argv[1:])
    with dg.DagsterInstance.get() as instance, running_daemon():
        wait_until(lambda: has_ticked(instance), "a tick of the sensor for Superset")
        repository = ReconstructableRepository.for_file("definitions.py", "defs", str(Path.cwd()))
        job = repository.get_reconstructable_job("__ASSET_JOB")
        result = dg.execute_job(job, instance, asset_selection=[asset])
        if not result.success:
            sys.exit(f"{asset.to_user_string()} failed")
        data = instance.get_latest_materialization_event(asset)
        assert data is not None

        def synced_at() -> float | None:
            failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
            if instance.get_runs(failed, limit=1):
                sys.exit("a run failed")
            event = instance.get_latest_materialization_event(last)
            return event.timestamp if event is not None and event.timestamp > data.timestamp else None

        at = wait_until(synced_at, f"{last.to_user_string()} after {asset.to_user_string()}")
        print(json.dumps({"synced": at - data.timestamp}))


def has_ticked(instance: dg.DagsterInstance) -> bool:
    """Return whether the daemon has evaluated the sensor: it knows then what was there before."""
    return any(
        tick.status in (TickStatus.SUCCESS, TickStatus.SKIPPED)
        for state in instance.all_instigator_state()
        if state.instigator_name.endswith("_superset")
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)
    )


@contextmanager
def running_daemon() -> Generator[None, None, None]:
    """Run a daemon over the project of the current folder."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", "definitions.py", "-a", "defs"]
    with Path("daemon.log").open("w") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(condition: Callable[[], Found | None], what: str) -> Found:
    """Return what the condition gives, once it gives something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"there was no {what}; the daemon said:\n{Path('daemon.log').read_text()[-8000:]}")
        time.sleep(0.1)
    return value


if __name__ == "__main__":
    main()
