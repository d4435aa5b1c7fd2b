"""A real webserver, daemon and code server, used over GraphQL as the UI uses them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEFINITIONS = ROOT / "test/integration/dagster/fixtures/bodies/definitions.py"
# Only a hang reaches it: the machine may be busy with other things.
DEADLINE_SECONDS = 180
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}"""
REEXECUTE = """
mutation ($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
  }
}"""
TERMINATE = """
mutation ($run: String!) {
  terminateRun(runId: $run) { __typename ... on TerminateRunFailure { message } ... on PythonError { message } }
}"""
RUN = """
query ($run: ID!) {
  runOrError(runId: $run) {
    ... on Run { status stepStats { stepKey status } assetMaterializations { assetKey { path } } }
  }
}"""
LOGS = """
query ($run: ID!) {
  logsForRun(runId: $run, limit: 1000) {
    ... on EventConnection { events { __typename ... on LogsCapturedEvent { stepKeys fileKey } } }
  }
}"""
CAPTURED = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
LOADED = "query { repositoriesOrError { __typename ... on RepositoryConnection { nodes { name } } } }"
ASSETS = """
query { assetNodes { assetKey { path } kinds jobNames description } }"""
CHECKS = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode { assetChecksOrError { ... on AssetChecks { checks {
      name canExecuteIndividually jobNames executionForLatestMaterialization { status runId }
    } } } }
  }
}"""
AUTOMATION = """
query {
  sensorsOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "%s"}) {
    ... on Sensors { results { name sensorState { status } } }
  }
}"""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)
    return value


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Ui:
    """What a person does in the UI."""

    def __init__(self, address: str, ready: Path) -> None:
        self.address = address
        self.ready = ready
        self.location = f"{DEFINITIONS.name}:defs"

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self.address}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return answer["data"]

    def is_loaded(self) -> bool:
        try:
            return bool(self.ask(LOADED)["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    def launch(self, *assets: str) -> str:
        selector = {
            "repositoryLocationName": self.location,
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": ["bodies", asset]} for asset in assets],
        }
        result = self.ask(LAUNCH, params={"selector": selector, "runConfigData": {}, "mode": "default"})["launchRun"]
        assert result["__typename"] == "LaunchRunSuccess", result
        return str(result["run"]["runId"])

    def execute_check(self, asset: str, check: str) -> str:
        """Press *Execute* beside a check."""
        asset_key = {"path": ["bodies", asset]}
        selector = {
            "repositoryLocationName": self.location,
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [],
            "assetCheckSelection": [{"assetKey": asset_key, "name": check}],
        }
        result = self.ask(LAUNCH, params={"selector": selector, "runConfigData": {}, "mode": "default"})["launchRun"]
        assert result["__typename"] == "LaunchRunSuccess", result
        return str(result["run"]["runId"])

    def reexecute_from_failure(self, run: str) -> str:
        params = {"parentRunId": run, "strategy": "FROM_FAILURE"}
        result = self.ask(REEXECUTE, params=params)["launchRunReexecution"]
        assert result["__typename"] == "LaunchRunSuccess", result
        return str(result["run"]["runId"])

    def terminate(self, run: str) -> None:
        result = self.ask(TERMINATE, run=run)["terminateRun"]
        assert result["__typename"] == "TerminateRunSuccess", result

    def run(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(RUN, run=run)["runOrError"]
        return found

    def finished(self, run: str) -> dict[str, Any]:
        wait_until(lambda: self.run(run)["status"] in FINISHED, f"the end of run {run}")
        return self.run(run)

    def raw_log(self, run: str, step: str) -> dict[str, str]:
        events = self.ask(LOGS, run=run)["logsForRun"]["events"]
        (key,) = [event["fileKey"] for event in events if step in (event.get("stepKeys") or [])]
        logs: dict[str, str] = self.ask(CAPTURED, key=[run, "compute_logs", key])["capturedLogs"]
        return logs


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("ui")
    (folder / "dagster.yaml").write_text((ROOT / "ops" / "dagster.yaml").read_text())
    ready = folder / "ready"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = (folder / "output").open("w")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)),
            *("-f", str(DEFINITIONS), "-a", "defs"),
        ],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(folder), "READY_FILE": str(ready), "PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=output,
        # Started in the background it would ignore the signals that end it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
    )
    try:
        ui = Ui(f"http://127.0.0.1:{port}", ready)
        wait_until(
            lambda: ui.is_loaded() or server.poll() is not None,
            "a loaded code location",
        )
        assert server.poll() is None, (folder / "output").read_text()[-4000:]
        yield ui
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        output.close()


def test_assets_of_typescript_are_in_the_ui(ui: Ui) -> None:
    nodes = {"/".join(node["assetKey"]["path"]): node for node in ui.ask(ASSETS)["assetNodes"]}
    assert nodes["bodies/plain"]["kinds"] == ["typescript"]
    assert nodes["bodies/plain"]["description"] == "Behaves as its name says: plain."


def test_the_sensor_for_automation_is_on(ui: Ui) -> None:
    (sensor,) = ui.ask(AUTOMATION % ui.location)["sensorsOrError"]["results"]
    assert sensor == {"name": "typescript_automation", "sensorState": {"status": "RUNNING"}}


def test_a_run_that_failed_is_reexecuted_from_its_failure(ui: Ui) -> None:
    run = ui.launch("after_plain", "fails_in_first_run", "after_first_run")
    result = ui.finished(run)
    assert result["status"] == "FAILURE"
    assert {step["stepKey"]: step["status"] for step in result["stepStats"]} == {
        "bodies__after_plain": "SUCCESS",
        "bodies__fails_in_first_run": "FAILURE",
    }
    again = ui.finished(ui.reexecute_from_failure(run))
    assert again["status"] == "SUCCESS"
    assert sorted(step["stepKey"] for step in again["stepStats"]) == [
        "bodies__after_first_run",
        "bodies__fails_in_first_run",
    ]


def test_a_check_can_be_executed_alone_and_computes_nothing(ui: Ui) -> None:
    materialized = ui.finished(ui.launch("plain"))
    assert [event["assetKey"]["path"] for event in materialized["assetMaterializations"]] == [["bodies", "plain"]]
    key = {"path": ["bodies", "plain"]}
    (check,) = ui.ask(CHECKS, key=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    assert (check["canExecuteIndividually"], check["jobNames"]) == ("CAN_EXECUTE", ["__ASSET_JOB"])
    run = ui.execute_check("plain", "unique_id")
    found = ui.finished(run)
    assert (found["status"], found["assetMaterializations"]) == ("SUCCESS", [])
    (check,) = ui.ask(CHECKS, key=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
    assert check["executionForLatestMaterialization"] == {"status": "SUCCEEDED", "runId": run}


def test_the_raw_log_of_each_step_is_there(ui: Ui) -> None:
    run = ui.launch("after_plain", "logs")
    assert ui.finished(run)["status"] == "SUCCESS"
    assert ui.raw_log(run, "bodies__logs")["stdout"] == "stdout of bodies/logs\n"
    assert "stderr of bodies/logs\n" in ui.raw_log(run, "bodies__logs")["stderr"]
    assert ui.raw_log(run, "bodies__after_plain")["stdout"] == "stdout of bodies/after_plain\n"


def test_a_terminated_run_is_canceled_and_its_node_process_gone(ui: Ui) -> None:
    run = ui.launch("hangs")
    node = int(wait_until(lambda: ui.ready.exists() and ui.ready.read_text(), "a step that hangs"))
    assert is_alive(node)
    ui.terminate(run)
    result = ui.finished(run)
    assert result["status"] == "CANCELED"
    assert result["assetMaterializations"] == []
    assert not is_alive(node)
