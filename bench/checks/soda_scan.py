"""The suite in Soda Core, on the table in DUCKDB_PATH; prints the seconds of the checks as JSON."""

# Soda is in an environment of its own.
# pyright: basic, reportMissingImports=false

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["SODA_CORE_TELEMETRY_ENABLED"] = "false"

from soda_core.contracts import verify_contract_locally

with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "source.yml"
    source.write_text(
        "type: duckdb\nname: bench\nconnection:\n"
        f"  database: {os.environ['DUCKDB_PATH']}\n  schema: bench\n  read_only: true\n"
    )
    start = time.perf_counter()
    result = verify_contract_locally(
        data_source_file_path=str(source), contract_file_path=str(Path(__file__).parent / "contract.yml")
    )
    seconds = time.perf_counter() - start
[contract] = result.contract_verification_results
passed = [check for check in contract.check_results if check.outcome.value == "PASSED"]
if len(passed) != len(contract.check_results) or result.has_errors:
    sys.exit(f"{len(passed)} of {len(contract.check_results)} passed: {result.get_errors_str()}")
print(json.dumps({"seconds": seconds, "passed": len(passed)}))
