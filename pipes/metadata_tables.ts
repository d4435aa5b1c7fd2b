import { PipesArgumentError, describeValue } from "./errors.ts";
import { isPlainObject } from "./json_text.ts";

interface Place {
  readonly method: string;
  readonly parameter: string;
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isBoolean: Check = (value) => typeof value === "boolean";
const isCell: Check = (value) =>
  value === null || ["string", "bigint", "boolean"].includes(typeof value) || Number.isFinite(value);
const isTextArray: Check = (value) => Array.isArray(value) && value.every(isText);
const isTextMap: Check = (value) => isPlainObject(value) && Object.values(value).every(isText);
const isAbsent: Check = (value) => value === undefined || value === null;

/** Checks the raw value of a `table`. */
export function checkTable(value: unknown, place: Place): void {
  const table = members(value, place, ["records", "schema"]);
  for (const [index, record] of items(table["records"], at(place, "records"))) {
    const where = at(place, `records[${index}]`);
    for (const [column, cell] of Object.entries(members(record, where, undefined))) {
      demand(isCell(cell), at(where, column), "a string, finite number, bigint, boolean or null", cell);
    }
  }
  checkColumns(table["schema"], at(place, "schema"));
}

/** Checks the raw value of a `table_schema`. */
export function checkTableSchema(value: unknown, place: Place): void {
  checkColumns(members(value, place, ["columns"])["columns"], at(place, "columns"));
}

/** Checks the raw value of a `table_column_lineage`. */
export function checkLineage(value: unknown, place: Place): void {
  const lineage = members(value, place, ["deps_by_column"]);
  const columns = members(lineage["deps_by_column"], at(place, "deps_by_column"), undefined);
  for (const [column, deps] of Object.entries(columns)) {
    for (const [index, dep] of items(deps, at(place, column))) {
      const where = at(place, `${column}[${index}]`);
      const { asset_key: key, column_name: name } = members(dep, where, ["asset_key", "column_name"]);
      // Dagster would take the text "a/b" for a key of one part.
      demand(isTextArray(key), at(where, "asset_key"), "an array of the parts of the key", key);
      demand(isText(name), at(where, "column_name"), "a string", name);
    }
  }
}

function checkColumns(value: unknown, place: Place): void {
  for (const [index, item] of items(value, place)) {
    const where = { ...place, parameter: `${place.parameter}[${index}]` };
    const column = members(item, where, ["name", "type", "description", "tags", "constraints"]);
    demand(isText(column["name"]), at(where, "name"), "a string", column["name"]);
    demand(isText(column["type"]), at(where, "type"), "a string", column["type"]);
    optional(column["description"], isText, at(where, "description"), "a string");
    optional(column["tags"], isTextMap, at(where, "tags"), "an object of strings");
    if (!isAbsent(column["constraints"])) checkConstraints(column["constraints"], at(where, "constraints"));
  }
}

function checkConstraints(value: unknown, place: Place): void {
  const constraints = members(value, place, ["nullable", "unique", "other"]);
  // Dagster takes a missing constraint, but not a null one.
  const present = (key: string, check: Check, expected: string): void => {
    if (constraints[key] !== undefined) demand(check(constraints[key]), at(place, key), expected, constraints[key]);
  };
  present("nullable", isBoolean, "a boolean");
  present("unique", isBoolean, "a boolean");
  present("other", isTextArray, "an array of strings");
}

function members(value: unknown, place: Place, known: readonly string[] | undefined): Record<string, unknown> {
  if (!isPlainObject(value)) throw fault(place, "a plain object", value);
  const surplus = known && Object.keys(value).find((key) => !known.includes(key));
  if (known && surplus !== undefined) {
    throw fault(place, `an object with only the keys ${known.join(", ")}`, undefined, `the key \`${surplus}\``);
  }
  return value;
}

function items(value: unknown, place: Place): [number, unknown][] {
  if (!Array.isArray(value)) throw fault(place, "an array", value);
  return Array.from(value as readonly unknown[], (item, index) => [index, item]);
}

function optional(value: unknown, check: Check, place: Place, expected: string): void {
  if (!isAbsent(value)) demand(check(value), place, expected, value);
}

function demand(holds: boolean, place: Place, expected: string, value: unknown): void {
  if (!holds) throw fault(place, expected, value);
}

function at(place: Place, key: string): Place {
  return { method: place.method, parameter: `${place.parameter}.${key}` };
}

function fault(place: Place, expected: string, value: unknown, got = describeValue(value)): PipesArgumentError {
  return new PipesArgumentError({ method: place.method, parameter: place.parameter, expected, got });
}
