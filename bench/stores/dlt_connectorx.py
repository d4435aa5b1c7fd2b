"""The contender dlt: a table of PostgreSQL into DuckDB, read by connectorx and loaded through Parquet files."""

# dlt is in the environment of the contenders alone.
# pyright: basic, reportMissingImports=false

import logging
import os

import dlt
from dlt.sources.sql_database import sql_table

# It says once that it does not know a type whose name it then keeps.
logging.getLogger("dlt").setLevel(logging.ERROR)

table = sql_table(
    credentials=os.environ["BENCH_URL"],
    schema="bench",
    table="source",
    backend="connectorx",
    reflection_level="full_with_precision",
)
pipeline = dlt.pipeline(
    "bench_stores",
    pipelines_dir=os.environ["BENCH_DLT_DIR"],
    destination=dlt.destinations.duckdb(os.environ["DUCKDB_PATH"]),
    dataset_name="bench",
)
pipeline.run(table, table_name="copied", write_disposition="replace", loader_file_format="parquet")
