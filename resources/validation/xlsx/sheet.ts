import type { Cell, CellRow } from "../cells.ts";
import { type CellRange, columnIndex, columnLetters, parseRange } from "./range.ts";
import { unescapeText, type Workbook } from "./workbook.ts";
import { readXml } from "./xml.ts";

/** The cells of a range, and what is remarkable about them. */
export interface SheetCells {
  /** Those that have a cell; cells from the first column of the range on. */
  readonly rows: readonly CellRow[];
  /** Ranges of several cells that show one value. */
  readonly merges: readonly CellRange[];
  /** Rows among them that the sheet does not show. */
  readonly hiddenRows: ReadonlySet<number>;
  /** Letters of the columns in the range that the sheet does not show. */
  readonly hiddenColumns: readonly string[];
  /** Cells whose value a formula made. */
  readonly formulas: number;
}

/** Reads the cells of a range: formulas by the value that was saved with them. */
export async function readSheet(
  { parts, sharedStrings, dateStyles }: Workbook,
  part: string,
  range: CellRange,
): Promise<SheetCells> {
  const rows: CellRow[] = [];
  const merges: CellRange[] = [];
  const hiddenRows = new Set<number>();
  const hiddenColumns: string[] = [];
  let formulas = 0;
  let cells: Cell[] | undefined;
  let row = 0;
  let column = -1;
  let type = "n";
  let style = 0;
  let value: string | undefined;
  let inline = "";
  let hasFormula = false;
  let isPhonetic = false;
  const startCell = (attributes: Readonly<Record<string, string>>): void => {
    const reference = attributes["r"];
    column = reference === undefined ? column + 1 : columnOf(reference);
    type = attributes["t"] ?? "n";
    style = Number(attributes["s"] ?? "0");
    value = undefined;
    inline = "";
    hasFormula = false;
  };
  const endCell = (): void => {
    const index = column - range.firstColumn;
    if (cells === undefined || index < 0 || column > range.lastColumn) return;
    if (hasFormula) formulas += 1;
    const cell = cellOf();
    if (cell === null) return;
    while (cells.length < index) cells.push(null);
    cells[index] = cell;
  };
  const cellOf = (): Cell => {
    if (type === "inlineStr") return unescapeText(inline);
    if (value === undefined || (value === "" && type !== "str"))
      return hasFormula ? { fault: "a formula without a saved value: open the workbook in Excel and save it" } : null;
    switch (type) {
      case "s":
        return sharedStrings[Number(value)] ?? { fault: "a text that the workbook does not hold" };
      case "str":
        return unescapeText(value);
      case "b":
        return value === "1" || value === "true";
      case "e":
        return { fault: `the formula failed: ${value}` };
      case "d":
        return value;
      default: {
        const number = Number(value);
        // Of blanks JavaScript makes 0.
        if (Number.isNaN(number) || (number === 0 && value.trim() === "")) return { fault: `no number: ${value}` };
        return dateStyles.has(style) ? { serial: number } : number;
      }
    }
  };
  await readXml(parts.read(part), {
    open: (element, attributes) => {
      switch (element) {
        case "c":
          startCell(attributes);
          break;
        case "f":
          hasFormula = true;
          break;
        case "rPh":
          isPhonetic = true;
          break;
        case "row": {
          row = attributes["r"] === undefined ? row + 1 : Number(attributes["r"]);
          column = -1;
          cells = row >= range.firstRow && row <= range.lastRow ? [] : undefined;
          if (cells !== undefined && isTrue(attributes["hidden"])) hiddenRows.add(row);
          break;
        }
        case "col":
          if (isTrue(attributes["hidden"]))
            for (
              let one = Math.max(Number(attributes["min"]) - 1, range.firstColumn);
              one < Math.min(Number(attributes["max"]), range.lastColumn + 1);
              one += 1
            )
              hiddenColumns.push(columnLetters(one));
          break;
        case "mergeCell": {
          const merge = parseRange(attributes["ref"] ?? "");
          if (merge !== undefined) merges.push(merge);
          break;
        }
      }
    },
    close: (element, text) => {
      switch (element) {
        case "v":
          value = text;
          break;
        case "t":
          if (!isPhonetic) inline += text;
          break;
        case "rPh":
          isPhonetic = false;
          break;
        case "c":
          endCell();
          break;
        case "row":
          if (cells !== undefined && cells.length > 0) rows.push({ row, cells });
          cells = undefined;
          break;
      }
    },
  });
  return { rows, merges, hiddenRows, hiddenColumns, formulas };
}

function columnOf(reference: string): number {
  let end = 0;
  while (end < reference.length && reference.charCodeAt(end) >= 65) end += 1;
  return end === 1 ? reference.charCodeAt(0) - 65 : columnIndex(reference.slice(0, end));
}

function isTrue(text: string | undefined): boolean {
  return text === "1" || text === "true";
}
