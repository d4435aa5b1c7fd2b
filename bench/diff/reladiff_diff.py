"""reladiff, on bench.rows of DATABASE_URL and of DUCKDB_PATH; prints the seconds and the number of rows that differ."""

# reladiff is in an environment of its own.
# pyright: basic, reportMissingImports=false

import json
import os
import time

from reladiff import connect_to_table, diff_tables

# Of DuckDB it knows no DATE: all columns but that one.
COLUMNS = ("name", "amount", "sold_at", "is_member", "score", "note")
THREADS = int(os.environ.get("BENCH_THREADS", "1"))

start = time.perf_counter()
left = connect_to_table(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql://"), ("bench", "rows"), "id", THREADS
)
right = connect_to_table(f"duckdb://{os.environ['DUCKDB_PATH']}", ("bench", "rows"), "id")
result = diff_tables(left, right, extra_columns=COLUMNS, max_threadpool_size=2 * THREADS, skip_sort_results=True)
keys = {row[0] for _, row in result}
print(json.dumps({"seconds": time.perf_counter() - start, "different": len(keys)}))
