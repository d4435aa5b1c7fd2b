"""Writes a workbook of 100,000 rows, a shop and a day each, and the same rows as CSV for the warehouse."""

# openpyxl has no types.
# pyright: basic

import csv
import datetime as dt
import random
import sys
from pathlib import Path

from openpyxl import Workbook

SHOPS = 500
DAYS = 200
FOLDER = Path(sys.argv[1])
HEADER = ["store_id", "day", "receipts", "revenue", "note"]

random.seed(7)
book = Workbook(write_only=True)
sheet = book.create_sheet("Revenue")
sheet.append(HEADER)
with (FOLDER / "revenue.csv").open("w", newline="") as file:
    lines = csv.writer(file)
    lines.writerow(HEADER)
    for index in range(SHOPS * DAYS):
        day = dt.date(2026, 1, 1) + dt.timedelta(days=index // SHOPS)
        row = [index % SHOPS, day, random.randint(1, 900), round(random.random() * 10_000, 2), f"store {index % SHOPS}"]
        sheet.append(row)
        lines.writerow(row)
book.save(FOLDER / "revenue.xlsx")
