"""Whatever is reported, the reader lives to the last message and sees what was meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import RunStep, S3Reader, StreamReader

COUNT = 300


@pytest.mark.parametrize("seed", [1, 2026, 4_000_000_001])
def test_hostile_strings_keys_and_values_never_tear_a_line(run_step: RunStep, tmp_path: Path, seed: int) -> None:
    expected_path = tmp_path / "expected.json"
    outcome = run_step("fuzz.ts", {"seed": seed, "count": COUNT, "expectedPath": str(expected_path)})
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.reader_errors == []
    assert outcome.closed
    assert outcome.custom_messages == json.loads(expected_path.read_text(encoding="utf-8"))
    assert len(outcome.results) == COUNT + 1


def test_hostile_values_survive_a_log_collector_that_splits_at_every_line_separator(
    run_step: RunStep, tmp_path: Path
) -> None:
    expected_path = tmp_path / "expected.json"
    reader = StreamReader("stdio", "stdout")
    outcome = run_step("fuzz.ts", {"seed": 7, "count": COUNT, "expectedPath": str(expected_path)}, reader=reader)
    assert outcome.closed
    assert reader.other_lines == []
    assert outcome.custom_messages == json.loads(expected_path.read_text(encoding="utf-8"))


def test_hostile_values_survive_an_object_store(run_step: RunStep, s3: Any) -> None:
    hostile = ["\u2028", "a\nb", "\u0000", {"__proto__": "\r\n"}]
    outcome = run_step("scenario.ts", {"messagesToS3": True, "customMessages": hostile}, reader=S3Reader(s3, "pipes"))
    assert outcome.closed
    assert outcome.custom_messages == hostile
