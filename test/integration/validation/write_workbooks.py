"""Writes the workbooks of the tests into a folder: by openpyxl, which shares no code with what reads them."""

# openpyxl has no types.
# pyright: basic

import datetime as dt
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.table import Table

FOLDER = Path(sys.argv[1])
HEADER = ["Shop", "Day", "Visits", "Revenue, USD"]
DAYS = [dt.date(2026, 1, day) for day in (1, 2, 3)]
ROWS = [["berlin", DAYS[0], 3, 10.5], ["berlin", DAYS[1], 4, 20.25], ["rome", DAYS[0], 5, 30.75]]


def write(name: str, rows: Sequence[Sequence[object]], title: str = "Revenue") -> None:
    """Make a workbook of one sheet, and save it."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    book.save(FOLDER / name)


def special() -> None:
    """Everything that a reader may get wrong, in one sheet; a table, a name, totals, hidden rows, merged cells."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Revenue 2026"
    sheet["A1"] = "Revenue of the shops"
    sheet.append([])
    sheet.append(HEADER)
    sheet.append(["berlin", DAYS[0], "3", "$10.50"])
    sheet.append([None, DAYS[1], 4, "1,020.25 USD"])
    sheet.append([None, "2026-01-03", 0, "(5.00)"])
    sheet.append(["Zu\u0308rich ", DAYS[0], 5, "=10+20"])
    sheet.append(["rome", DAYS[0], 6, "12.5%"])
    sheet.append(["rome", DAYS[1], 7, 0.1 + 0.2])
    sheet.append(["Total", None, 25, 1])
    sheet.merge_cells("A4:A6")
    sheet.row_dimensions[9].hidden = True
    sheet.column_dimensions["C"].hidden = True
    table = Table(displayName="Revenue", ref="A3:D10", totalsRowCount=1)
    sheet.add_table(table)
    book.defined_names["just_rome"] = DefinedName("just_rome", attr_text="'Revenue 2026'!$A$3:$D$9")
    path = FOLDER / "special.xlsx"
    book.save(path)
    # A formula has the value that Excel saved with it; openpyxl computes none.
    with_values = FOLDER / "special_values.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(with_values, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.namelist():
            content = source.read(part)
            if part == "xl/worksheets/sheet1.xml":
                assert b"<f>10+20</f><v></v>" in content or b"<f>10+20</f><v />" in content, content
                content = content.replace(b"<f>10+20</f><v></v>", b"<f>10+20</f><v>30</v>")
                content = content.replace(b"<f>10+20</f><v />", b"<f>10+20</f><v>30</v>")
            target.writestr(part, content)


def copied_sheet() -> None:
    """Make a sheet and its old copy, each with a name of its own; rows that show nothing, and one that is hidden."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Revenue"
    berlin, _, rome = ROWS
    for row in [HEADER, berlin, [None, *ROWS[1][1:]], [" ", None, "\u00a0", None], [None, None, None, " "], rome]:
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    sheet.row_dimensions[2].hidden = True
    copy: Any = book.copy_worksheet(sheet)
    copy.title = "Revenue (old)"
    copy["D6"] = 1
    book.defined_names["sales"] = DefinedName("sales", attr_text="Revenue!$A$1:$D$6")
    for one in (copy, sheet):
        for name in ("SALES", "mine"):
            one.defined_names[name] = DefinedName(name, attr_text=f"'{one.title}'!$A$1:$D$6")
    del sheet.defined_names["SALES"]
    book.save(FOLDER / "copied_sheet.xlsx")


SHARED = {
    "Shop": "<x:t>Shop</x:t>",
    "Revenue, USD": '<x:r><x:t>Revenue,</x:t></x:r><x:r><x:rPr/><x:t xml:space="preserve"> USD</x:t></x:r>',
    "berlin": '<x:t>ber_x006C_in</x:t><x:rPh sb="0" eb="1"><x:t>how it is read</x:t></x:rPh>',
    "rome": "<x:t>rome_x000D_</x:t>",
}


def as_excel_writes() -> None:
    """Write texts once for the whole workbook, in pieces; a formula for several cells; a cell without its name."""
    write("inline.xlsx", [HEADER, *ROWS, ["oslo", DAYS[0], 1, "#N/A"]])
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = f'<Relationship Id="strings" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'
    with (
        zipfile.ZipFile(FOLDER / "inline.xlsx") as source,
        zipfile.ZipFile(FOLDER / "as_excel_writes.xlsx", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for part in source.namelist():
            content = source.read(part).decode()
            if part == "xl/_rels/workbook.xml.rels":
                content = content.replace("</Relationships>", relation)
            if part == "xl/worksheets/sheet1.xml":
                for index, text in enumerate(SHARED):
                    inline = f't="inlineStr"><is><t>{text}</t></is>'
                    assert inline in content, content
                    content = content.replace(inline, f't="s"><v>{index}</v>')
                assert '<c r="D3" t="n"><v>' in content, content
                content = content.replace('<c r="D3" t="n"><v>', '<c r="D3"><f t="shared" si="0"/><v>')
                content = content.replace('<c r="D2" t="n"><v>', '<c t="n"><v>')
            target.writestr(part, content)
        items = "".join(f"<x:si>{text}</x:si>" for text in SHARED.values())
        target.writestr("xl/sharedStrings.xml", f'<x:sst xmlns:x="{main}">{items}</x:sst>')


def from_1904() -> None:
    """Write days that count from 1904."""
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    sheet: Any = book.active
    sheet.title = "Revenue"
    for row in [HEADER, *ROWS]:
        sheet.append(row)
    book.save(FOLDER / "from_1904.xlsx")


special()
copied_sheet()
as_excel_writes()
from_1904()
write("plain.xlsx", [HEADER, *ROWS])
write("renamed.xlsx", [HEADER, *ROWS], title="Revenue (old)")
write("header_only.xlsx", [HEADER])
write("empty.xlsx", [])
write(
    "planted.xlsx",
    [
        HEADER,
        ["berlin", DAYS[0], 3, 10.52],
        ["berlin", DAYS[1], 4, 20.26],
        ["rome", DAYS[0], 5, 30.75],
        ["rome", DAYS[0], 5, 30.75],
        ["paris", DAYS[0], 1, 1],
        [None, DAYS[2], 1, 1],
        ["oslo", "soon", 1, "n/a"],
    ],
)
whole = (FOLDER / "plain.xlsx").read_bytes()
(FOLDER / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
(FOLDER / "flipped.xlsx").write_bytes(whole.replace(b"PK\x01\x02", b"PK\x01\x03", 1))
(FOLDER / "text.xlsx").write_bytes(b"Shop,Day\nberlin,2026-01-01\n")
