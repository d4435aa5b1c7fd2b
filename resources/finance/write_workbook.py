# /// script
# requires-python = ">=3.10"
# dependencies = ["openpyxl==3.1.5", "pyarrow==21.0.0", "tzdata==2025.2"]
# ///
"""Writes the workbook of finance: what each day brought, straight from the Parquet file of the tills.

It shares no code with the pipeline, so that both agree only if both are right::

    uv run resources/finance/write_workbook.py data/completejourney resources/finance/revenue_2017.xlsx
"""

# openpyxl and pyarrow have no types, and are not in the project's environment.
# pyright: basic

import sys
from collections import defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
from openpyxl import Workbook
from openpyxl.worksheet.table import Table

DATA, TARGET = Path(sys.argv[1]), Path(sys.argv[2])
CLOCK = ZoneInfo("America/New_York")
DISCOUNTS = ("retail_disc", "coupon_disc", "coupon_match_disc")
CENTS = 100


def main() -> None:
    """Add up the lines of each day, in cents, and write a sheet."""
    columns = ["basket_id", "store_id", "transaction_timestamp", "sales_value", *DISCOUNTS]
    lines = pq.read_table(DATA / "transactions.parquet", columns=columns).to_pydict()
    utc = ZoneInfo("UTC")
    visits: dict = defaultdict(set)
    revenue: dict = defaultdict(int)
    discount: dict = defaultdict(int)
    days: dict = {}
    for index, sold_at in enumerate(lines["transaction_timestamp"]):
        if sold_at not in days:
            aware = sold_at if sold_at.tzinfo is not None else sold_at.replace(tzinfo=utc)
            days[sold_at] = aware.astimezone(CLOCK).date()
        day = days[sold_at]
        visits[day].add((lines["store_id"][index], lines["basket_id"][index]))
        revenue[day] += round(lines["sales_value"][index] * CENTS)
        discount[day] += sum(round(lines[name][index] * CENTS) for name in DISCOUNTS)

    book = Workbook()
    sheet = book.active
    sheet.title = "Revenue 2017"
    sheet.append(["Revenue of all stores by day, USD"])
    sheet.append([])
    sheet.append(["Day", "Visits", "Revenue", "Discount"])
    for day in sorted(visits):
        sheet.append([day, len(visits[day]), revenue[day] / CENTS, discount[day] / CENTS])
    last = sheet.max_row + 1
    total = [sum(map(len, visits.values())), sum(revenue.values()) / CENTS, sum(discount.values()) / CENTS]
    sheet.append(["Total", *total])
    sheet.add_table(Table(displayName="Revenue", ref=f"A3:D{last}", totalsRowCount=1))
    for row in sheet.iter_rows(min_row=4, min_col=3, max_col=4):
        for cell in row:
            cell.number_format = "#,##0.00"
    sheet.column_dimensions["A"].width = 14
    book.save(TARGET)


main()
