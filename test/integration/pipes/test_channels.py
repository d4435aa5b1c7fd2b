"""Each way in and each way out that Dagster knows besides files."""

from typing import Any

import pytest
from dagster import PipesTempFileMessageReader
from dagster._core.pipes.utils import PipesEnvContextInjector

from .conftest import RunStep, S3Injector, StreamReader


def test_the_bootstrap_values_may_come_as_arguments(run_step: RunStep) -> None:
    outcome = run_step("scenario.ts", {"customMessages": [1]}, by_arguments=True)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert (outcome.closed, outcome.custom_messages) == (True, [1])


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("key", ["stdio", "buffered_stdio"])
def test_messages_on_a_standard_stream_survive_whatever_else_is_printed_there(
    run_step: RunStep, key: str, stream: str
) -> None:
    reader = StreamReader(key, stream)
    printed = "a line\nhalf a line, 50 %"
    outcome = run_step(
        "scenario.ts",
        {"print": {stream: printed}, "customMessages": ["before"], "check": {"checkName": "fresh", "passed": True}},
        injector=PipesEnvContextInjector(),
        reader=reader,
    )
    assert outcome.returncode == 0
    assert outcome.closed
    assert outcome.custom_messages == ["before"]
    assert len(outcome.results) == 1
    assert reader.other_lines == printed.splitlines()


def test_what_the_program_prints_is_forwarded_where_the_reader_asks_for_it(
    run_step: RunStep, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = {"stdout": "to stdout é🎉\n", "stderr": "to stderr"}
    outcome = run_step(
        "scenario.ts", {"print": printed}, reader=PipesTempFileMessageReader(include_stdio_in_messages=True)
    )
    assert outcome.closed
    # It is printed by the process itself, and once more by Dagster.
    assert (outcome.stdout, outcome.stderr) == (printed["stdout"], printed["stderr"])
    captured = capfd.readouterr()
    assert printed["stdout"] in captured.out
    assert printed["stderr"] in captured.err


def test_what_the_program_prints_is_not_forwarded_otherwise(
    run_step: RunStep, capfd: pytest.CaptureFixture[str]
) -> None:
    run_step("scenario.ts", {"print": {"stdout": "only here\n"}})
    assert "only here" not in capfd.readouterr().out


def test_text_for_the_streams_of_dagster_arrives_there(run_step: RunStep, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run_step("scenario.ts", {"externalStream": {"stdout": "from a child\n", "stderr": "its errors\n"}})
    assert outcome.closed
    captured = capfd.readouterr()
    assert "from a child\n" in captured.out
    assert "its errors\n" in captured.err


def test_parameters_for_an_object_store_without_a_loader_say_which_option_is_missing(
    run_step: RunStep, s3: Any
) -> None:
    outcome = run_step("scenario.ts", {}, injector=S3Injector(s3, "pipes"))
    assert outcome.returncode == 1
    assert "PipesBootstrapError" in outcome.stderr
    assert "contextLoader" in outcome.stderr
    assert not outcome.opened
