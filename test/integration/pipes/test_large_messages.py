"""No message is larger than its limit, and what was shortened says so."""

from typing import Any

import dagster as dg

from .conftest import RunStep


def test_what_is_too_large_is_shortened_and_says_so(run_step: RunStep) -> None:
    outcome = run_step("large.ts")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.reader_errors == []
    assert outcome.closed
    assert [len(message) for message in outcome.custom_messages] == [200_000] * 5 + [len("refused")]

    [materialization] = outcome.results
    metadata: dict[str, Any] = materialization.metadata
    assert metadata["rows"] == dg.MetadataValue.int(3)
    assert metadata["dagster_typescript/other"].value == "kept"
    assert metadata["note"].value.startswith("nnn")
    assert metadata["note"].value.endswith("of 2000000 characters]")
    records = metadata["sample"].records
    assert 1 < len(records) < 50_000
    assert records[1].data == {"id": 2**60 + 1, "records}": 'a"}],{'}
    assert metadata["plan"].value.startswith('{"steps":[0,1,2')
    assert "link" not in metadata
    note = metadata["dagster_typescript/truncated"].value
    for name in ["note", "sample", "plan", "link"]:
        assert f"`{name}`" in note
    assert f"cut to {len(records)} of 50000 records" in note
    assert "`rows`" not in note
