import type { XlsxSource } from "../../definitions/validation.ts";
import { type Cell, type CellRow, type CellTable, isBlank } from "./cells.ts";
import { CorruptWorkbookError, EmptySourceError, MissingPartError } from "./errors.ts";
import { corrupt } from "./xlsx/package.ts";
import { type CellRange, columnLetters, parseRange, parseReference, WHOLE_SHEET } from "./xlsx/range.ts";
import { readSheet, type SheetCells } from "./xlsx/sheet.ts";
import { openWorkbook, type SheetPart, tablesOf, type Workbook } from "./xlsx/workbook.ts";

/** Where the rows are: the header, if the table has one, is the first of them. */
interface Place {
  readonly sheet: SheetPart;
  readonly range: CellRange;
  /** Rows of totals at the end, which are no data. */
  readonly totals: number;
}

/**
 * Reads the part of a workbook that is to be compared.
 *
 * @param path Absolute.
 * @param isKey Whether a column, by its header, is one of the key: its merged cells fill their rows.
 * @throws UnreadableSourceError
 */
export async function readXlsx(
  path: string,
  source: Pick<XlsxSource, "where" | "hiddenRows">,
  isKey: (header: string) => boolean,
): Promise<CellTable> {
  const workbook = await openWorkbook(path);
  try {
    const place = await placeOf(workbook, source.where, path);
    const cells = await readSheet(workbook, place.sheet.part, place.range);
    return toTable(place, cells, source, workbook.from1904, isKey, path);
  } catch (error) {
    throw corrupt(path, error);
  } finally {
    workbook.parts.close();
  }
}

async function placeOf(workbook: Workbook, where: XlsxSource["where"], path: string): Promise<Place> {
  const list = (names: Iterable<string>): string => [...names].map((name) => JSON.stringify(name)).join(", ") || "none";
  const sheetOf = (name: string): SheetPart => {
    const found = workbook.sheets.find((sheet) => isSame(sheet.name, name));
    if (found !== undefined) return found;
    const names = list(workbook.sheets.map((sheet) => sheet.name));
    throw new MissingPartError(`the workbook ${path} has no sheet ${JSON.stringify(name)}; it has ${names}`);
  };
  switch (where.kind) {
    case "sheet": {
      const range = where.range === null ? WHOLE_SHEET : parseRange(where.range);
      if (range === undefined)
        throw new MissingPartError(`${where.range ?? ""} is no range of cells, such as "A3:F90"`);
      return { sheet: sheetOf(where.sheet), range, totals: 0 };
    }
    case "name": {
      const named = workbook.names.filter(({ name }) => isSame(name, where.name));
      const reference = (named.find(({ isOfOneSheet }) => !isOfOneSheet) ?? named[0])?.reference;
      if (reference === undefined)
        throw new MissingPartError(
          `the workbook ${path} has no name ${JSON.stringify(where.name)}; it has ${list(workbook.names.map(({ name }) => name))}`,
        );
      // Nobody can tell which of them is meant.
      if (named.length > 1 && named.every(({ isOfOneSheet }) => isOfOneSheet))
        throw new MissingPartError(
          `${named.length} sheets of the workbook ${path} have a name ${where.name} each: say the sheet and the range`,
        );
      const found = parseReference(reference);
      if (found === undefined)
        throw new MissingPartError(`the name ${where.name} of the workbook ${path} is no range of cells: ${reference}`);
      return { sheet: sheetOf(found.sheet), range: found.range, totals: 0 };
    }
    case "table": {
      const tables = await tablesOf(workbook);
      const table = tables.find(({ name }) => isSame(name, where.name));
      const range = table === undefined ? undefined : parseRange(table.reference);
      if (table === undefined)
        throw new MissingPartError(
          `the workbook ${path} has no table ${JSON.stringify(where.name)}; it has ${list(tables.map(({ name }) => name))}`,
        );
      if (range === undefined || table.headerRows !== 1)
        throw new MissingPartError(`the table ${where.name} of the workbook ${path} has no row of headers`);
      return { sheet: table.sheet, range, totals: table.totalsRows };
    }
  }
}

function toTable(
  { sheet, range, totals }: Place,
  { rows: all, merges, hiddenRows, hiddenColumns, formulas }: SheetCells,
  { hiddenRows: hidden }: Pick<XlsxSource, "hiddenRows">,
  from1904: boolean,
  isKey: (header: string) => boolean,
  path: string,
): CellTable {
  const where = `${sheet.name} of the workbook ${path}`;
  const [top, ...rest] = all;
  if (top === undefined) throw new EmptySourceError(`there is nothing in the cells to be read of ${where}`);
  const header = top.cells.map((cell) => (typeof cell === "string" ? cell : cell === null ? "" : textOf(cell)));
  const data = rest.filter(
    ({ row, cells }) =>
      (row <= range.lastRow - totals || range.lastRow === WHOLE_SHEET.lastRow) && cells.some(showsSomething),
  );
  const filled = fillMerges(data, merges, range, header, isKey);
  // A merged cell that begins in a hidden row names the shown ones too, so it is filled in before.
  const kept = hidden === "skip" ? filled.rows.filter(({ row }) => !hiddenRows.has(row)) : filled.rows;
  if (kept.length === 0) throw new EmptySourceError(`there is no row below the header in ${where}`);
  const last = data.at(-1)?.row ?? top.row;
  const blank = last - top.row - data.length;
  const hiddenCount = data.filter(({ row }) => hiddenRows.has(row)).length;
  const notes = [
    counted(hiddenCount, "hidden row", hidden === "skip" ? "skipped" : "read"),
    counted(hiddenColumns.length, "hidden column", `read: ${hiddenColumns.join(", ")}`),
    counted(Math.max(blank, 0), "empty row", "skipped"),
    counted(totals, "row of totals", "skipped"),
    counted(filled.count, "merged range", "filled into the rows of its key"),
    counted(filled.left, "merged range", "outside of the key, read as its first cell alone"),
    counted(formulas, "formula", "read by the value saved with it"),
    from1904 ? "days count from 1904" : "",
  ].filter((note) => note !== "");
  return {
    header,
    rows: kept,
    place: {
      before: `${sheet.name}!`,
      columns: header.map((_name, index) => columnLetters(range.firstColumn + index)),
    },
    ...{ from1904, isTyped: true },
    notes: () => notes,
  };
}

/** A merged cell of a key names all the rows beside it; the value of one of another column counts once. */
function fillMerges(
  rows: readonly CellRow[],
  merges: readonly CellRange[],
  range: CellRange,
  header: readonly string[],
  isKey: (header: string) => boolean,
): { readonly rows: readonly CellRow[]; readonly count: number; readonly left: number } {
  const relevant = merges.filter(
    ({ firstRow, firstColumn }) =>
      firstRow >= (rows[0]?.row ?? 0) &&
      firstRow <= range.lastRow &&
      firstColumn >= range.firstColumn &&
      firstColumn <= range.lastColumn,
  );
  if (relevant.length === 0) return { rows, count: 0, left: 0 };
  const byRow = new Map(rows.map(({ row, cells }) => [row, [...cells]]));
  let [count, left] = [0, 0];
  for (const { firstRow, lastRow, firstColumn } of relevant) {
    const column = firstColumn - range.firstColumn;
    const value = byRow.get(firstRow)?.[column] ?? null;
    if (firstRow === lastRow || !isKey(header[column] ?? "")) {
      left += 1;
      continue;
    }
    count += 1;
    for (let row = firstRow + 1; row <= lastRow; row += 1) {
      const cells = byRow.get(row);
      if (cells === undefined) continue;
      while (cells.length < column) cells.push(null);
      cells[column] = value;
    }
  }
  return { rows: [...byRow].map(([row, cells]) => ({ row, cells })), count, left };
}

/** A formula that was copied below the last row shows an empty text. */
function showsSomething(cell: Cell): boolean {
  return cell !== null && !(typeof cell === "string" && isBlank(cell));
}

function counted(count: number, what: string, became: string): string {
  return count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"} ${became}`;
}

function textOf(cell: Exclude<Cell, null>): string {
  if (typeof cell !== "object") return String(cell);
  if ("fault" in cell) throw new CorruptWorkbookError(`a header cannot be read: ${cell.fault}`);
  return String(cell.serial);
}

/** Excel tells names apart by their letters, not by their case. */
function isSame(a: string, b: string): boolean {
  return a.normalize("NFC").toLowerCase() === b.normalize("NFC").toLowerCase();
}
