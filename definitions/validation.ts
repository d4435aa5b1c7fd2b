import type { z } from "zod";
import type { ParquetSource, PostgresSource } from "./body.ts";
import type { Sql, TableRef } from "./sql.ts";

/** How texts in a file are to be read. */
export interface TextOptions {
  /** What separates the decimals in texts; the other one, spaces and apostrophes group thousands. @default "." */
  readonly decimal?: "." | "," | undefined;
  /** The order in which texts write a day; `YYYY-MM-DD` is always read. @default "YMD" */
  readonly days?: "YMD" | "DMY" | "MDY" | undefined;
  /** Of times that say no offset. @default "UTC" */
  readonly timezone?: string | undefined;
}

interface TextFile extends Required<{ readonly [K in keyof TextOptions]: NonNullable<TextOptions[K]> }> {
  /** Path, relative to the project. */
  readonly path: string;
}

/** A part of a workbook. */
export interface XlsxSource extends TextFile {
  readonly format: "xlsx";
  /** A table by its name, a defined name, or cells of a sheet: all that it has, or a range. */
  readonly where:
    | { readonly kind: "table"; readonly name: string }
    | { readonly kind: "name"; readonly name: string }
    | { readonly kind: "sheet"; readonly sheet: string; readonly range: string | null };
  readonly hiddenRows: "read" | "skip";
}

/** A CSV file with a header. */
export interface CsvSource extends TextFile {
  readonly format: "csv";
  readonly delimiter: string;
  readonly encoding: string;
}

/** A dataset or a chart, as users of Superset see it. */
export interface SupersetSource extends Omit<TextFile, "path"> {
  readonly format: "superset";
  readonly object:
    | { readonly kind: "dataset"; readonly schema: string; readonly table: string; readonly assetKey: string | null }
    | { readonly kind: "chart"; readonly name: string; readonly assetKey: string | null };
}

/** What a validation compares: an asset, SQL in the validation's own store, a file, or a table of another database. */
export type ValidationSource =
  TableRef | Sql | ParquetSource | PostgresSource | XlsxSource | CsvSource | SupersetSource;

/** How the values of a column are compared. */
export interface Tolerance {
  /** Numbers so far apart are the same, also where `relative` says otherwise; of times, seconds. @default 0.01 for decimals and doubles, else 0 */
  readonly absolute?: number | string | undefined;
  /** Numbers so far apart, as a share of the larger one, are the same: 0.001 is one of a thousand. @default 0 */
  readonly relative?: number | undefined;
  /** Texts that differ in case only are the same. @default false */
  readonly ignoreCase?: boolean | undefined;
}

/** Compares two sides, key by key. */
export interface Validation {
  readonly kind: "validation";
  readonly left: ValidationSource;
  readonly right: ValidationSource;
  readonly columns: z.ZodObject;
  readonly key: readonly string[];
  readonly compare: Readonly<Record<string, Tolerance | undefined>>;
  readonly names: {
    readonly left: Readonly<Record<string, string | undefined>>;
    readonly right: Readonly<Record<string, string | undefined>>;
  };
  readonly maxRows: number;
}

/**
 * A table, a defined name, or a range of a sheet of a workbook (.xlsx), with a header in its first row. Formulas count by
 * the value that was saved with them, merged cells of a key fill their rows, rows that a sheet hides are read.
 *
 * @param path Relative to the project.
 * @param where.table The name of a table; its totals are left out.
 * @param where.name A defined name.
 * @param where.sheet The name of a sheet, and `range` some of its cells: `"A3:F90"`, `"A3:F"` to its last row. Default: all.
 * @param where.hiddenRows `"skip"`: rows that the sheet hides do not count. Default: `"read"`.
 */
export function xlsx(
  path: string,
  where: TextOptions & { readonly hiddenRows?: "read" | "skip" } & (
      { readonly table: string } | { readonly name: string } | { readonly sheet: string; readonly range?: string }
    ),
): XlsxSource {
  const { hiddenRows = "read" } = where;
  const place =
    "table" in where
      ? ({ kind: "table", name: where.table } as const)
      : "name" in where
        ? ({ kind: "name", name: where.name } as const)
        : ({ kind: "sheet", sheet: where.sheet, range: where.range ?? null } as const);
  return { format: "xlsx", path, where: place, hiddenRows, ...textForms(where) };
}

/**
 * A CSV file with a header, quoted by `"`. Rows with more or fewer cells than the header, and bytes that are not of the
 * encoding, fail the validation.
 *
 * @param path Relative to the project.
 * @param options.delimiter Default: `","`.
 * @param options.encoding As the WHATWG names it, such as `"windows-1252"` or `"utf-16le"`. Default: `"utf-8"`.
 */
export function csv(
  path: string,
  options: TextOptions & { readonly delimiter?: string; readonly encoding?: string } = {},
): CsvSource {
  const { delimiter = ",", encoding = "utf-8" } = options;
  return { format: "csv", path, delimiter, encoding, ...textForms(options) };
}

/**
 * All rows of a dataset of Superset, asked for as its charts ask: what its users see, from the cache too. Where Superset
 * cannot be reached the validation fails. It needs `SUPERSET_URL` and an account, as Superset's other settings say.
 *
 * @param table An asset, which becomes a dependency, or `"schema.table"`.
 */
export function supersetDataset(table: TableRef | string, options: Pick<TextOptions, "timezone"> = {}): SupersetSource {
  const key = typeof table === "string" ? null : ((table as TableRef | undefined)?.assetKey ?? "");
  const [schema = "", ...rest] = typeof table === "string" ? table.split(".") : (key ?? "").split("/");
  const object = { kind: "dataset", schema, table: rest.join("."), assetKey: key } as const;
  return { format: "superset", object, ...textForms(options) };
}

/**
 * The rows of a chart of Superset, by its saved query: its columns are those of its table, such as the labels of metrics.
 *
 * @param name Its name or, as digits, its id.
 * @param options.of The asset that it shows, which becomes a dependency.
 */
export function supersetChart(
  name: string,
  options: Pick<TextOptions, "timezone"> & { readonly of?: TableRef } = {},
): SupersetSource {
  const object = { kind: "chart", name, assetKey: options.of?.assetKey ?? null } as const;
  return { format: "superset", object, ...textForms(options) };
}

function textForms({ decimal = ".", days = "YMD", timezone = "UTC" }: TextOptions): Omit<TextFile, "path"> {
  return { decimal, days, timezone };
}
