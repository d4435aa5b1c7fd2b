/** A rectangle of cells: rows counted from 1, columns from 0, the last ones included. */
export interface CellRange {
  readonly firstRow: number;
  readonly lastRow: number;
  readonly firstColumn: number;
  readonly lastColumn: number;
}

/** All that a sheet may have. */
export const WHOLE_SHEET: CellRange = { firstRow: 1, lastRow: 1_048_576, firstColumn: 0, lastColumn: 16_383 };

const RANGE = /^\$?([A-Z]{1,3})\$?(\d{1,7})?(?::\$?([A-Z]{1,3})\$?(\d{1,7})?)?$/i;

/** `A3:D90`, `A3:D` (to the last row), `$A$1:$D$9` or one cell; `undefined`: it is none. */
export function parseRange(text: string): CellRange | undefined {
  const [all, left = "", top, right = left, bottom] = RANGE.exec(text.trim()) ?? [];
  if (all === undefined) return undefined;
  const isOneCell = !text.includes(":");
  const firstRow = Number(top ?? "1");
  const range = {
    firstRow,
    lastRow: isOneCell ? firstRow : Number(bottom ?? String(WHOLE_SHEET.lastRow)),
    firstColumn: columnIndex(left),
    lastColumn: columnIndex(right),
  };
  return range.firstRow >= 1 && range.firstRow <= range.lastRow && range.firstColumn <= range.lastColumn
    ? range
    : undefined;
}

/** `Sheet1!$A$1:$D$9` or `'My sheet'!A1:D9`, as defined names say it. */
export function parseReference(text: string): { readonly sheet: string; readonly range: CellRange } | undefined {
  const [, quoted, plain, area = ""] = /^(?:'((?:[^']|'')+)'|([^'!,]+))!([^!,]+)$/.exec(text.trim()) ?? [];
  const sheet = quoted?.replaceAll("''", "'") ?? plain;
  const range = parseRange(area);
  return sheet === undefined || range === undefined ? undefined : { sheet, range };
}

/** `A` is 0, `AA` is 26. */
export function columnIndex(letters: string): number {
  let index = 0;
  for (const letter of letters.toUpperCase()) index = index * 26 + letter.charCodeAt(0) - 64;
  return index - 1;
}

/** 0 is `A`, 26 is `AA`. */
export function columnLetters(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : columnLetters(Math.floor(index / 26) - 1) + letter;
}
