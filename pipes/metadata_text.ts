import { PipesArgumentError, describeValue } from "./errors.ts";
import { floatText, hasToJson, isPlainObject, jsonText, stringText } from "./json_text.ts";
import type { MetadataType } from "./metadata_entry.ts";
import type { Redact } from "./redaction.ts";
import { checkLineage, checkTable, checkTableSchema } from "./metadata_tables.ts";

/** A metadata value checked and ready to be written. */
export interface WrittenEntry {
  readonly key: string;
  readonly type: MetadataType;
  readonly rawValue: unknown;
  /** The JSON text of `rawValue`. */
  readonly rawText: string;
}

/** Where the metadata was given. */
export interface MetadataPlace {
  readonly method: string;
  /** @default "metadata" */
  readonly parameter?: string;
  readonly redact?: Redact | undefined;
}

/** Later than the year 5000: such a number of seconds is really one of milliseconds. */
const LAST_TIMESTAMP_SECONDS = 100_000_000_000;

const TEXT_TYPES: ReadonlySet<string> = new Set(["text", "url", "path", "notebook", "md", "dagster_run", "asset"]);

/**
 * Checks a whole metadata map and writes each value. The reader of the other side dies of what it
 * does not expect, so nothing passes here that it was not seen to take.
 *
 * @throws PipesArgumentError naming the key, what was expected and what was given.
 */
export function writeMetadata(map: unknown, place: MetadataPlace): WrittenEntry[] | null {
  const parameter = place.parameter ?? "metadata";
  if (map === undefined || map === null) return null;
  if (!isPlainObject(map)) {
    throw new PipesArgumentError({
      method: place.method,
      parameter,
      expected: "an object of metadata values by name",
      got: describeValue(map),
    });
  }
  return Object.entries(map).map(([key, value]) =>
    writeEntry(key, value, { ...place, parameter: `${parameter}.${key}` }),
  );
}

/** The JSON text of one member of a metadata map. */
export function entryText(entry: WrittenEntry): string {
  return `${stringText(entry.key)}:{"raw_value":${entry.rawText},"type":"${entry.type}"}`;
}

/** Checks one value and writes it. */
export function writeEntry(key: string, value: unknown, place: MetadataPlace & { parameter: string }): WrittenEntry {
  const { type, rawValue } = typedValue(value, place);
  return { key, type, rawValue, rawText: rawValueText(type, rawValue, place) };
}

type Place = MetadataPlace & { readonly parameter: string };

function typedValue(value: unknown, place: Place): { type: MetadataType; rawValue: unknown } {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw fault(place, "a finite number", value);
    return { type: Number.isSafeInteger(value) ? "__infer__" : "float", rawValue: value };
  }
  if (value === null || ["string", "boolean", "bigint"].includes(typeof value) || Array.isArray(value)) {
    return { type: "__infer__", rawValue: value };
  }
  if (isPlainObject(value) && Object.keys(value).length === 2 && "type" in value && "raw_value" in value) {
    return { type: value["type"] as MetadataType, rawValue: value["raw_value"] };
  }
  throw fault(place, "a metadata value (an object needs `metadata.json(…)`)", value);
}

function rawValueText(type: MetadataType, value: unknown, place: Place): string {
  const options = { method: place.method, parameter: place.parameter, mapText: place.redact };
  if (TEXT_TYPES.has(type)) {
    if (typeof value !== "string") throw fault(place, "a string", value);
    return jsonText(value, options);
  }
  switch (type) {
    case "float":
    case "timestamp":
      return floatText(finiteNumber(type, value, place));
    case "int":
      if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
        throw fault(place, "a bigint or a safe integer (larger ones have lost digits already)", value);
      }
      return jsonText(value, options);
    case "bool":
      if (typeof value !== "boolean") throw fault(place, "a boolean", value);
      return jsonText(value, options);
    case "null":
      if (value !== null) throw fault(place, "null", value);
      return "null";
    case "json":
      if (typeof value !== "string" && (typeof value !== "object" || hasScalarJson(value))) {
        throw fault(place, "an object, array or string: Dagster takes no other JSON", value);
      }
      return jsonText(value, options);
    case "table":
      checkTable(value, place);
      return jsonText(value, options);
    case "table_schema":
      checkTableSchema(value, place);
      return jsonText(value, options);
    case "table_column_lineage":
      checkLineage(value, place);
      return jsonText(value, options);
    case "__infer__":
      if (typeof value === "object" && value !== null && !Array.isArray(value)) {
        throw fault(place, "a scalar or an array (an object needs `metadata.json(…)`)", value);
      }
      return jsonText(value, options);
    default:
      throw fault({ ...place, parameter: `${place.parameter}.type` }, "a metadata type of the protocol", type);
  }
}

function hasScalarJson(value: object | null): boolean {
  return value !== null && hasToJson(value) && ["number", "boolean"].includes(typeof value.toJSON());
}

function finiteNumber(type: "float" | "timestamp", value: unknown, place: Place): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw fault(place, "a finite number (NaN and infinities have no JSON form)", value);
  }
  if (type === "timestamp" && Math.abs(value) > LAST_TIMESTAMP_SECONDS) {
    throw fault(place, "seconds since 1970 (milliseconds must be divided by 1000)", value);
  }
  return value;
}

function fault(place: Place, expected: string, value: unknown): PipesArgumentError {
  const { method, parameter } = place;
  return new PipesArgumentError({ method, parameter, expected, got: describeValue(value) });
}
