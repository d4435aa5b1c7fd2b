/** What the runtime knows of comparing: how files are read, how sides are compared, how the result is told. */
import type { CsvSource, XlsxSource } from "../../definitions/validation.ts";
import { plainHeader } from "./cells.ts";
import type { SideRows } from "./load.ts";
import { readCsv } from "./read_csv.ts";
import { readXlsx } from "./read_xlsx.ts";

export { type ColumnMatch, type CompareJob, compareSides, type Comparison, WHOLE_ROWS } from "./compare.ts";
export type { ComparedColumn } from "./compared.ts";
export type { SideName, SideRows } from "./load.ts";
export { readSuperset } from "./read_superset.ts";
export { htmlFault, htmlReport, type ReportOptions } from "./report.ts";

/**
 * The cells of a file.
 *
 * @param source Its path absolute.
 * @param keys The headers of the columns of the key.
 * @throws UnreadableSourceError
 */
export async function readFile(source: XlsxSource | CsvSource, keys: readonly string[]): Promise<SideRows> {
  const wanted = new Set(keys.map(plainHeader));
  const table =
    source.format === "csv"
      ? await readCsv(source.path, source)
      : await readXlsx(source.path, source, (header) => wanted.has(plainHeader(header)));
  return { kind: "cells", table, forms: source };
}
