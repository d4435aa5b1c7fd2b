import type { AssetOptions, Shape } from "./asset.ts";
import { readColumn } from "./column_type.ts";
import type { Add } from "./validate.ts";
import { checkTimezone } from "./validate_options.ts";
import type { CsvSource, SupersetSource, Validation, XlsxSource } from "./validation.ts";

/** Rows that a table of differences may keep. */
const MAX_ROWS = 1_000_000;

/** What is wrong with the declaration of a validation. */
export function checkValidation({ body }: AssetOptions<Shape>, add: Add): void {
  if (!("kind" in body) || body.kind !== "validation") return;
  const bad = (message: string): void => {
    add("bad_option", message);
  };
  checkCompared(body, add, bad);
  for (const side of ["left", "right"] as const) {
    const source = body[side] as Validation["left"] | undefined;
    if (source === undefined)
      add("unknown_reference", `${side}: the source is undefined: import the asset from the file that defines it`);
    else if ("format" in source && (source.format === "xlsx" || source.format === "csv")) checkFile(side, source, bad);
    else if ("format" in source && source.format === "superset") checkSuperset(side, source, bad);
  }
  const { maxRows } = body;
  if (!(Number.isSafeInteger(maxRows) && maxRows >= 1 && maxRows <= MAX_ROWS))
    bad(`maxRows: expected a whole number from 1 to ${MAX_ROWS}, got ${maxRows}`);
}

function checkCompared({ columns, key, compare, names }: Validation, add: Add, bad: (message: string) => void): void {
  const known = new Set(Object.keys(columns.shape));
  for (const [name, schema] of Object.entries(columns.shape)) {
    const read = readColumn(name, schema as Parameters<typeof readColumn>[1]);
    if (!read.ok) add("bad_column_type", `column ${JSON.stringify(name)}: ${read.message}`);
    else if (read.column.type.kind === "json")
      add("bad_column_type", `column ${JSON.stringify(name)}: documents are not compared`);
  }
  const require = (where: string, name: string): void => {
    if (!known.has(name))
      add("unknown_column", `${where} names column ${JSON.stringify(name)}; expected one of ${[...known].join(", ")}`);
  };
  if (key.length === 0) bad("key: expected the columns that name a row on both sides");
  for (const name of key) require("key", name);
  for (const side of ["left", "right"] as const)
    for (const name of Object.keys(names[side])) require(`names.${side}`, name);
  for (const [name, tolerance] of Object.entries(compare)) {
    require("compare", name);
    const { absolute = 0, relative = 0 } = tolerance ?? {};
    if (!/^\d+(\.\d+)?$/.test(String(absolute)))
      bad(`compare.${name}.absolute: expected a number of 0 or more, got ${JSON.stringify(absolute)}`);
    if (!(Number.isFinite(relative) && relative >= 0 && relative < 1))
      bad(`compare.${name}.relative: expected a share from 0 to below 1, got ${relative}`);
  }
}

function checkSuperset(side: string, { object, timezone }: SupersetSource, bad: (message: string) => void): void {
  checkTimezone(side, timezone, bad);
  if (object.kind === "chart" && object.name === "") bad(`${side}: expected the name or the id of a chart`);
  if (object.kind === "dataset" && object.assetKey === null && (object.schema === "" || object.table === ""))
    bad(`${side}: expected supersetDataset(asset) or supersetDataset("schema.table")`);
}

function checkFile(side: string, source: XlsxSource | CsvSource, bad: (message: string) => void): void {
  if (source.path === "") bad(`${side}: expected the path of a file`);
  checkTimezone(side, source.timezone, bad);
  if (source.format === "csv") {
    if (source.delimiter.length !== 1 || /["\r\n]/.test(source.delimiter))
      bad(`${side}: delimiter: expected one character, got ${JSON.stringify(source.delimiter)}`);
    try {
      new TextDecoder(source.encoding);
    } catch {
      bad(`${side}: there is no encoding ${JSON.stringify(source.encoding)}`);
    }
    return;
  }
  const { where } = source;
  const name = where.kind === "sheet" ? where.sheet : where.name;
  if (typeof name !== "string" || name === "")
    bad(`${side}: xlsx: expected the name of a table, a defined name or a sheet`);
  if (where.kind === "sheet" && where.range !== null && !/^[A-Z]{1,3}\d{1,7}:[A-Z]{1,3}(\d{1,7})?$/i.test(where.range))
    bad(`${side}: range: expected cells such as "A3:F90" or "A3:F", got ${JSON.stringify(where.range)}`);
}
