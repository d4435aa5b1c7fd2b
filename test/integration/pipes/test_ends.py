"""However a process ends, Dagster hears of it, with the real reason, and never takes it for success."""

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Outcome, RunStep, S3Injector, S3Reader

RANGE_ERROR = ("RangeError", "the original error")
EXIT = "PipesUnfinishedError"

# way, exit code of the process, name and message of the error that Dagster gets
ENDINGS: list[tuple[str, int, tuple[str | None, str]]] = [
    ("throw", 1, RANGE_ERROR),
    ("throwNothing", 1, ("Error", "undefined was thrown")),
    ("rejectWithoutHandler", 1, RANGE_ERROR),
    ("throwInTimer", 1, RANGE_ERROR),
    ("exitZero", 1, (EXIT, "The process exited with code 0 before the Pipes context was closed.")),
    ("exitThree", 3, (EXIT, "The process exited with code 3 before the Pipes context was closed.")),
    ("exitInTimer", 1, (EXIT, "The process exited with code 0 before the Pipes context was closed.")),
]


@pytest.fixture(params=["file", "s3"])
def end(request: pytest.FixtureRequest, run_step: RunStep, s3: Any) -> Callable[..., Outcome]:
    def run(way: str, **options: Any) -> Outcome:
        if request.param == "file":
            return run_step("ending.ts", {"way": way}, **options)
        channels = {"injector": S3Injector(s3, "pipes"), "reader": S3Reader(s3, "pipes")}
        return run_step("ending.ts", {"way": way, "overS3": True}, **channels, **options)

    return run


@pytest.mark.parametrize(("way", "code", "error"), ENDINGS, ids=[way for way, _, _ in ENDINGS])
def test_the_step_is_closed_with_the_real_error_and_the_process_fails(
    end: Callable[..., Outcome], way: str, code: int, error: tuple[str, str]
) -> None:
    outcome = end(way)
    assert outcome.closed, outcome.stderr
    assert outcome.closing_error is not None
    assert (outcome.closing_error["name"], outcome.closing_error["message"]) == error
    assert outcome.returncode == code


def test_the_chain_of_causes_and_each_stack_survive(end: Callable[..., Outcome]) -> None:
    error = end("throw").closing_error
    assert error is not None
    cause = error["cause"]
    assert (cause["name"], cause["message"]) == ("TypeError", "its cause")
    assert "the root" in cause["cause"]["message"]
    assert any("ending.ts" in line for line in error["stack"])
    assert any("ending.ts" in line for line in cause["stack"])


def test_an_error_that_a_failing_disposal_suppresses_survives(run_step: RunStep) -> None:
    error = run_step("ending.ts", {"way": "suppressed"}).closing_error
    assert error is not None
    assert (error["cause"]["name"], error["cause"]["message"]) == RANGE_ERROR
    assert error["context"]["message"] == "the disposal failed too"


@pytest.mark.parametrize("way", ["neverSettle", "forgetToClose"])
def test_a_process_that_runs_out_of_work_while_pipes_is_open_fails(run_step: RunStep, way: str) -> None:
    outcome = run_step("ending.ts", {"way": way})
    assert outcome.closed
    assert outcome.closing_error is not None
    assert "ran empty" in outcome.closing_error["message"]
    assert outcome.returncode not in (0, None)


def test_a_process_that_runs_out_of_work_tells_an_object_store_too(end: Callable[..., Outcome]) -> None:
    outcome = end("neverSettle")
    assert outcome.closed
    assert outcome.closing_error is not None
    assert outcome.closing_error["name"] == EXIT
    assert outcome.returncode not in (0, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_closes_and_then_kills_as_it_would_have(end: Callable[..., Outcome], number: signal.Signals) -> None:
    def send(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)

    outcome = end("waitForSignal", on_started=send)
    assert outcome.closed
    assert outcome.closing_error is not None
    assert outcome.closing_error["name"] == "PipesSignalError"
    assert number.name in outcome.closing_error["message"]
    assert outcome.returncode == -number
    assert outcome.custom_messages == ["ready"]


def test_a_program_that_handles_the_signal_itself_closes_with_its_own_error(end: Callable[..., Outcome]) -> None:
    def send(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)

    outcome = end("ownHandler", on_started=send)
    assert outcome.closing_error is not None
    assert outcome.closing_error["message"] == "cleaned up after the signal"
    assert outcome.returncode == 1


def test_a_process_killed_outright_is_not_taken_for_closed(run_step: RunStep) -> None:
    def kill(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()

    outcome = run_step("ending.ts", {"way": "waitForSignal"}, on_started=kill)
    assert outcome.custom_messages == ["ready"]
    assert outcome.reader_errors == []
    assert not outcome.closed
