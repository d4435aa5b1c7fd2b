"""How a step ends: well, refused, or failed with a message that says why. Never silently well."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

FIXTURES = Path(__file__).parent / "fixtures"
SUCCESS = dg.DagsterRunStatus.SUCCESS
CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)


def test_a_published_asset_is_materialized_and_then_its_checks_are_recorded(dagster: Any) -> None:
    run = dagster.assets("plain", "after_plain")
    assert run.status == SUCCESS
    assert run.materialized == ["after_plain", "plain"]
    kinds = [entry.dagster_event.event_type_value for entry in run.entries if entry.dagster_event]
    assert kinds.index("ASSET_MATERIALIZATION") < kinds.index("ASSET_CHECK_EVALUATION")
    (check,) = [event.asset_check_evaluation_data for event in run.events(CHECKED)]
    assert (check.check_name, check.passed) == ("unique_id", True)
    assert check.target_materialization_data.run_id == run.run_id


def test_the_data_version_of_the_report_is_recorded(dagster: Any) -> None:
    run = dagster.assets("plain")
    (event,) = run.events(dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert event.materialization.tags["dagster/data_version"] == "v1"


@pytest.mark.parametrize(
    ("asset", "reasons"),
    [
        (
            "throws",
            ["exit code 1", "Error: the till is on fire", "caused by Error: a match", "stderr of bodies/throws"],
        ),
        ("exits_early", ["without closing Dagster Pipes", "did not report: its outcome, its materialization"]),
        ("closes_early", ["did not report: its outcome, its materialization"]),
        ("killed", ["killed by signal SIGKILL", "without closing Dagster Pipes"]),
        ("never_opens", ["exit code 3", "never opened Dagster Pipes"]),
        ("missing_check", ["did not report: the declared check unique_id"]),
        ("missing_outcome", ["did not report: its outcome"]),
        ("missing_materialization", ["did not report: its materialization"]),
        ("undeclared_check", ["the check nobody_declared_me, which is not declared"]),
        ("broken_message", ["Messages that cannot be read: ['{garbage'"]),
        ("spins", ["time limit of 3 s", "killed, as it did not end when asked"]),
    ],
)
def test_a_step_that_does_not_say_everything_fails_and_says_why(dagster: Any, asset: str, reasons: list[str]) -> None:
    run = dagster.assets(asset)
    message = run.failure(f"bodies__{asset}")
    assert message.startswith(f"bodies/{asset} failed.")
    for reason in reasons:
        assert reason in message
    assert run.materialized == []
    assert run.events(CHECKED) == []


def test_a_failed_asset_stops_what_depends_on_it_and_nothing_else(dagster: Any) -> None:
    run = dagster.assets("throws", "after_throws", "plain")
    assert run.materialized == ["plain"]
    assert run.failed == ["bodies__throws"]
    assert "bodies__after_throws" not in run.steps(dg.DagsterEventType.STEP_START)


def test_garbage_on_standard_output_hurts_nothing_and_is_in_the_raw_log(dagster: Any) -> None:
    run = dagster.assets("garbage")
    assert run.materialized == ["garbage"]
    stdout, _ = run.raw_log("bodies__garbage")
    assert stdout.count("{not json}") == 1000


def test_a_refused_publish_shows_its_check_and_no_materialization(dagster: Any) -> None:
    run = dagster.assets("refused", "after_refused")
    assert run.materialized == []
    (check,) = [event.asset_check_evaluation_data for event in run.events(CHECKED)]
    assert (check.check_name, check.passed) == ("unique_id", False)
    assert check.metadata["published"].value is False
    assert "was not published: unique_id failed" in run.failure("bodies__refused")
    assert "bodies__after_refused" not in run.steps(dg.DagsterEventType.STEP_START)


def test_what_may_pass_is_tried_again_a_few_times_and_what_will_not_pass_never(dagster: Any) -> None:
    run = dagster.assets("loses_connections", "loses_each_connection", "is_denied")
    tries = run.steps(dg.DagsterEventType.STEP_UP_FOR_RETRY)
    # Twice each, as the launcher of the fixture says; not once where `retry` of the asset would allow it.
    assert tries == ["bodies__loses_connections"] * 2 + ["bodies__loses_each_connection"] * 2
    assert run.materialized == ["loses_connections"]
    assert run.failed == ["bodies__is_denied", "bodies__loses_each_connection"]
    for step in run.failed:
        assert "Error: the store said no" in run.failure(step)


def test_each_step_has_a_raw_log_of_its_own_that_is_not_doubled_in_the_event_log(dagster: Any) -> None:
    run = dagster.assets("plain", "logs", "waits_1")
    for name in ("plain", "logs", "waits_1"):
        stdout, stderr = run.raw_log(f"bodies__{name}")
        assert stdout == f"stdout of bodies/{name}\n"
        assert f"stderr of bodies/{name}\n" in stderr
        assert f"stdout of bodies/{name}" not in run.messages
    assert "a line from TypeScript" in run.messages


def test_secrets_of_the_environment_reach_no_message_and_no_log(dagster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_TOKEN", "tok-1234567890abcdef")
    monkeypatch.setenv("SHOP_DATABASE", "postgres://till:open-sesame@db/shop")
    run = dagster.assets("secrets")
    everything = "\n".join([run.messages, run.failure("bodies__secrets"), *run.raw_log("bodies__secrets")])
    assert "tok-1234567890abcdef" not in everything
    assert "open-sesame" not in everything
    assert "refused: [redacted]" in run.failure("bodies__secrets")
    assert "token [redacted]" in run.raw_log("bodies__secrets")[0]


def test_what_a_step_started_ends_with_it(dagster: Any) -> None:
    run = dagster.assets("leaves_a_child")
    assert run.status == SUCCESS
    assert not is_alive(run.metadata("leaves_a_child")["child"])


def test_ten_waiting_assets_wait_together(dagster: Any) -> None:
    run = dagster.assets(*[f"waits_{number}" for number in range(10)])
    assert run.status == SUCCESS
    starts = [entry.timestamp for entry in run.entries if entry.dagster_event and entry.dagster_event.is_step_start]
    ends = [entry.timestamp for entry in run.entries if entry.dagster_event and entry.dagster_event.is_step_success]
    assert max(starts) < min(ends)


def test_assets_with_the_same_exclusive_key_run_one_at_a_time(dagster: Any) -> None:
    log = FIXTURES / "bodies" / "alone.log"
    log.unlink(missing_ok=True)
    try:
        run = dagster.assets(*[f"alone_{number}" for number in range(4)])
        assert run.status == SUCCESS
        assert log.read_text().split() == ["in", "out"] * 4
    finally:
        log.unlink(missing_ok=True)


class Worker:
    """A run in a process of its own, on an instance of its own, whose asset has said that it is ready."""

    def __init__(self, folder: Path, asset: str, location: str) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        ready = folder / "ready"
        paths = {"DAGSTER_HOME": str(self.home), "READY_FILE": str(ready), "PYTHONPATH": str(Path.cwd())}
        self.process = subprocess.Popen(
            [sys.executable, str(FIXTURES / "run_assets.py"), location, asset],
            env={**os.environ, **paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: ready.exists() and ready.read_text())
        except BaseException:
            self.kill()
            raise
        said = ready.read_text()
        self.node = int(said) if said.isdigit() else 0

    def interrupt(self) -> list[dg.DagsterEvent]:
        try:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
        finally:
            self.kill()
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            (run,) = instance.get_runs()
            return [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize(("location", "asset"), [("defs", "hangs"), ("defs", "spins_on"), ("in_process", "hangs")])
def test_an_interrupted_run_ends_with_its_node_process(tmp_path: Path, location: str, asset: str) -> None:
    worker = Worker(tmp_path, asset, location)
    events = worker.interrupt()
    assert not is_alive(worker.node)
    (failure,) = [event for event in events if event.is_step_failure]
    assert str(failure.step_failure_data.error_source) == "ErrorSource.INTERRUPT"
    assert not any(event.event_type_value == "ASSET_MATERIALIZATION" for event in events)
    assert any("Execution was interrupted" in str(event.message) for event in events)


def test_an_interrupted_run_ends_with_its_python_steps(tmp_path: Path) -> None:
    events = Worker(tmp_path, "python_sleeper", "defs").interrupt()
    (failure,) = [event for event in events if event.is_step_failure]
    assert "DagsterExecutionInterruptedError" in str(failure.step_failure_data.error)
    assert any("Execution was interrupted" in str(event.message) for event in events)


def test_no_node_process_is_left_when_the_run_worker_is_killed(tmp_path: Path) -> None:
    worker = Worker(tmp_path, "hangs", "defs")
    assert is_alive(worker.node)
    worker.kill()
    wait_until(lambda: not is_alive(worker.node))


def test_what_a_killed_run_worker_left_of_its_pipes_goes_with_the_next_step(dagster: Any, tmp_path: Path) -> None:
    sessions = FIXTURES / "bodies" / ".state" / "pipes"
    worker = Worker(tmp_path, "hangs", "defs")
    worker.kill()
    left = [path for path in sessions.iterdir() if f".{worker.process.pid}." in path.name]
    assert len(left) == 1
    wait_until(lambda: not is_alive(worker.node))
    assert dagster.assets("plain").materialized == ["plain"]
    assert list(sessions.iterdir()) == []
