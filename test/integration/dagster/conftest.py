"""Runs of the fixture projects under the threaded executor, on a Dagster instance of their own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

FIXTURES = Path(__file__).parent / "fixtures"
BODIES = FIXTURES / "bodies"


class Run:
    """A finished run, read back from the instance as the UI would."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self.instance = instance
        self.run_id = run_id

    @property
    def status(self) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(self.run_id)
        assert run is not None
        return run.status

    @property
    def entries(self) -> Sequence[Any]:
        return self.instance.all_logs(self.run_id)

    def events(self, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
        found = [entry.dagster_event for entry in self.entries if entry.dagster_event is not None]
        return [event for event in found if event.event_type == kind]

    def steps(self, kind: dg.DagsterEventType) -> list[str]:
        return sorted(str(event.step_key) for event in self.events(kind))

    @property
    def succeeded(self) -> list[str]:
        return self.steps(dg.DagsterEventType.STEP_SUCCESS)

    @property
    def failed(self) -> list[str]:
        return self.steps(dg.DagsterEventType.STEP_FAILURE)

    @property
    def materialized(self) -> list[str]:
        events = self.events(dg.DagsterEventType.ASSET_MATERIALIZATION)
        return sorted(event.asset_key.path[-1] for event in events if event.asset_key)

    def metadata(self, asset: str) -> dict[str, Any]:
        for event in self.events(dg.DagsterEventType.ASSET_MATERIALIZATION):
            if event.asset_key == dg.AssetKey(["bodies", asset]):
                return {key: value.value for key, value in event.materialization.metadata.items()}
        raise AssertionError(f"{asset} was not materialized")

    def failure(self, step: str) -> str:
        for event in self.events(dg.DagsterEventType.STEP_FAILURE):
            if event.step_key == step:
                data = event.step_failure_data
                if data.user_failure_data and data.user_failure_data.description:
                    return data.user_failure_data.description
                return str(data.error)
        raise AssertionError(f"{step} did not fail")

    def raw_log(self, step: str) -> tuple[str, str]:
        """Standard output and standard error of the last attempt of a step."""
        manager = self.instance.compute_log_manager
        captures = [event.logs_captured_data for event in self.events(dg.DagsterEventType.LOGS_CAPTURED)]
        keys = [capture.file_key for capture in captures if step in (capture.step_keys or [])]
        log_key = manager.build_log_key_for_run(self.run_id, keys[-1])
        assert manager.is_capture_complete(log_key)
        data = manager.get_log_data(log_key)
        return (data.stdout or b"").decode(errors="replace"), (data.stderr or b"").decode(errors="replace")

    @property
    def messages(self) -> str:
        return "\n".join(str(entry.user_message) + str(entry.dagster_event or "") for entry in self.entries)


class Dagster:
    """An instance on disk, and ways to run things on it."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def execute(self, job: ReconstructableJob, **options: Any) -> Run:
        options.setdefault("raise_on_error", False)
        result = dg.execute_job(job, self.instance, **options)
        return Run(self.instance, result.run_id)

    def job(self, name: str, **options: Any) -> Run:
        """Run a job of Python ops."""
        return self.execute(ReconstructableJob.for_file(str(FIXTURES / "executor_jobs.py"), name), **options)

    def assets(self, *names: str, location: str = "defs", **options: Any) -> Run:
        """Materialize assets of the project `bodies`."""
        keys = [dg.AssetKey(["bodies", name]) for name in names]
        job = self.repository(location).get_reconstructable_job("__ASSET_JOB")
        return self.execute(job, asset_selection=keys, **options)

    def repository(self, location: str = "defs") -> ReconstructableRepository:
        """Return the project `bodies` as Dagster loads it."""
        return ReconstructableRepository.for_file(str(BODIES / "definitions.py"), location)

    def checks(self, *names: str, **options: Any) -> Run:
        """Execute checks of the project `bodies` alone, as `asset.check`."""
        keys = {dg.AssetCheckKey(dg.AssetKey(["bodies", asset]), name) for asset, name in (n.split(".") for n in names)}
        repository = ReconstructableRepository.for_file(str(BODIES / "definitions.py"), "defs")
        job = repository.get_reconstructable_job("__ASSET_JOB")
        return self.execute(job.get_subset(asset_check_selection=keys), **options)

    def without_checks(self, name: str) -> Run:
        """Materialize an asset of the project `bodies` in a job that leaves its checks out."""
        repository = ReconstructableRepository.for_file(str(BODIES / "definitions.py"), "defs")
        job = repository.get_reconstructable_job("__ASSET_JOB")
        keys = {dg.AssetKey(["bodies", name])}
        return self.execute(job.get_subset(asset_selection=keys, asset_check_selection=set()))

    def all_again(self, parent: Run) -> dict[str, Any]:
        """Options that re-execute a run whole."""
        return {"reexecution_options": dg.ReexecutionOptions(parent.run_id)}

    def some_again(self, parent: Run, *selection: str) -> dict[str, Any]:
        """Options that re-execute the named steps of a run."""
        return {"reexecution_options": dg.ReexecutionOptions(parent.run_id, selection)}

    def failed_again(self, parent: Run) -> dict[str, Any]:
        """Options that re-execute a run from its failure."""
        return {"reexecution_options": dg.ReexecutionOptions.from_failure(parent.run_id, self.instance)}


@pytest.fixture(scope="session")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    """One for all tests: each looks only at its own runs, and to make an instance costs more than most runs."""
    home = tmp_path_factory.mktemp("dagster")
    with dg.instance_for_test(temp_dir=str(home)) as instance:
        yield Dagster(instance)
