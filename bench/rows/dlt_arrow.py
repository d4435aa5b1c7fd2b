"""The contender dlt with Arrow tables, which skip its own look at every value; else as in ``dlt_rows.py``."""

# dlt and pyarrow are in the environment of the contenders alone.
# pyright: basic, reportMissingImports=false

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dlt
import pyarrow as pa
import pyarrow.compute as pc

INTEGERS = {"basket_id": pa.int64(), "product_id": pa.int32(), "household_id": pa.int32(), "store_id": pa.int32()}
TEXTS = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc", "sold_at")
PAGE = pa.schema([*INTEGERS.items(), ("quantity", pa.int32()), *((name, pa.string()) for name in TEXTS)])
MONEY = pa.decimal128(12, 2)


def _table(page: pa.Table) -> pa.Table:
    """Give a page the columns of the contract."""
    ids = [pc.cast(page[name], pa.string()) for name in ("basket_id", "product_id")]
    sold_at = pc.strptime(page["sold_at"], format="%Y-%m-%dT%H:%M:%SZ", unit="us")
    return pa.table(
        {
            "event_id": pc.binary_join_element_wise(*ids, "-"),
            "basket_id": page["basket_id"],
            "product_id": page["product_id"],
            "user_id": page["household_id"],
            "store_id": page["store_id"],
            "occurred_at": pc.cast(sold_at, pa.timestamp("us", "UTC")),
            "quantity": page["quantity"],
            "revenue": pc.cast(page["sales_value"], MONEY),
            "retail_discount": pc.cast(page["retail_disc"], MONEY),
            "coupon_discount": pc.cast(page["coupon_disc"], MONEY),
            "coupon_match_discount": pc.cast(page["coupon_match_disc"], MONEY),
        }
    )


@dlt.resource(name="lines", write_disposition="replace")
def lines() -> Iterator[pa.Table]:
    """Yield the pages."""
    for path in sorted(Path(os.environ["BENCH_PAGES"]).iterdir()):
        yield _table(pa.Table.from_pylist(json.loads(path.read_bytes())["lines"], schema=PAGE))


pipeline = dlt.pipeline(
    "bench_rows",
    pipelines_dir=os.environ["BENCH_DLT_DIR"],
    destination=dlt.destinations.duckdb(os.environ["DUCKDB_PATH"]),
    dataset_name="bench",
)
pipeline.run(lines(), loader_file_format="parquet")
