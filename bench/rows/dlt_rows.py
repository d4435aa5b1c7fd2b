"""The contender dlt: the same pages as a resource, loaded through Parquet files."""

# dlt is in the environment of the contenders alone.
# pyright: basic, reportMissingImports=false

import json
import os
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt


def money() -> Any:
    """Return the hint of a column; dlt writes into it, so each has its own."""
    return {"data_type": "decimal", "precision": 12, "scale": 2, "nullable": False}


@dlt.resource(
    name="lines",
    write_disposition="replace",
    columns={
        "event_id": {"data_type": "text", "nullable": False},
        "basket_id": {"data_type": "bigint", "nullable": False},
        "product_id": {"data_type": "bigint", "precision": 32, "nullable": False},
        "user_id": {"data_type": "bigint", "precision": 32, "nullable": False},
        "store_id": {"data_type": "bigint", "precision": 32, "nullable": False},
        "occurred_at": {"data_type": "timestamp", "nullable": False},
        "quantity": {"data_type": "bigint", "precision": 32, "nullable": False},
        "revenue": money(),
        "retail_discount": money(),
        "coupon_discount": money(),
        "coupon_match_discount": money(),
    },
)
def lines() -> Iterator[list[dict[str, Any]]]:
    """Yield the pages."""
    for path in sorted(Path(os.environ["BENCH_PAGES"]).iterdir()):
        yield [
            {
                "event_id": f"{line['basket_id']}-{line['product_id']}",
                "basket_id": line["basket_id"],
                "product_id": line["product_id"],
                "user_id": line["household_id"],
                "store_id": line["store_id"],
                "occurred_at": datetime.fromisoformat(line["sold_at"]),
                "quantity": line["quantity"],
                "revenue": Decimal(line["sales_value"]),
                "retail_discount": Decimal(line["retail_disc"]),
                "coupon_discount": Decimal(line["coupon_disc"]),
                "coupon_match_discount": Decimal(line["coupon_match_disc"]),
            }
            for line in json.loads(path.read_bytes())["lines"]
        ]


pipeline = dlt.pipeline(
    "bench_rows",
    pipelines_dir=os.environ["BENCH_DLT_DIR"],
    destination=dlt.destinations.duckdb(os.environ["DUCKDB_PATH"]),
    dataset_name="bench",
)
pipeline.run(lines(), loader_file_format="parquet")
