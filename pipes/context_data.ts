import { PipesBootstrapError, describeValue } from "./errors.ts";
import { isPlainObject } from "./json_text.ts";

/** What Dagster recorded about the last materialization of an asset. */
export interface PipesDataProvenance {
  readonly code_version: string;
  readonly input_data_versions: Readonly<Record<string, string>>;
  readonly is_user_provided: boolean;
}

/** A start and an end: of partition keys both inclusive, of a time window the end exclusive. */
export interface PipesRange {
  readonly start: string;
  readonly end: string;
}

/** The context as Dagster writes it; what does not apply to the step is `null`. */
export interface PipesContextData {
  /** Escaped keys, in alphabetical order, not in that of their dependencies. */
  readonly asset_keys: readonly string[] | null;
  readonly code_version_by_asset_key: Readonly<Record<string, string | null>> | null;
  readonly provenance_by_asset_key: Readonly<Record<string, PipesDataProvenance | null>> | null;
  readonly partition_key: string | null;
  readonly partition_key_range: PipesRange | null;
  readonly partition_time_window: PipesRange | null;
  readonly run_id: string;
  readonly job_name: string | null;
  /** 0 in the first attempt. */
  readonly retry_number: number;
  readonly extras: Readonly<Record<string, unknown>>;
}

/** The context of a process that Dagster did not launch. */
export const EMPTY_CONTEXT_DATA: PipesContextData = Object.freeze({
  asset_keys: null,
  code_version_by_asset_key: null,
  provenance_by_asset_key: null,
  partition_key: null,
  partition_key_range: null,
  partition_time_window: null,
  run_id: "",
  job_name: null,
  retry_number: 0,
  extras: Object.freeze({}),
});

/** Checks a context. Missing keys count as null; surplus ones, from a newer Dagster, are let be. */
export function parseContextData(value: unknown): PipesContextData {
  if (!isPlainObject(value)) throw fault("context", "an object", value);
  const key = (name: string): unknown => value[name] ?? null;
  return {
    asset_keys: nullable(key("asset_keys"), "asset_keys", isTextArray, "an array of strings"),
    code_version_by_asset_key: nullable(
      key("code_version_by_asset_key"),
      "code_version_by_asset_key",
      isMapOf<string | null>((item) => item === null || typeof item === "string"),
      "an object of strings or nulls",
    ),
    provenance_by_asset_key: nullable(
      key("provenance_by_asset_key"),
      "provenance_by_asset_key",
      isMapOf<PipesDataProvenance | null>((item) => item === null || isPlainObject(item)),
      "an object of provenances or nulls",
    ),
    partition_key: nullable(key("partition_key"), "partition_key", isText, "a string"),
    partition_key_range: nullable(key("partition_key_range"), "partition_key_range", isRange, "{start, end}"),
    partition_time_window: nullable(key("partition_time_window"), "partition_time_window", isRange, "{start, end}"),
    run_id: required(key("run_id"), "run_id", isText, "a string"),
    job_name: nullable(key("job_name"), "job_name", isText, "a string"),
    retry_number: required(key("retry_number") ?? 0, "retry_number", Number.isSafeInteger as IsNumber, "an integer"),
    extras: required(key("extras") ?? {}, "extras", isPlainObject, "an object"),
  };
}

type IsNumber = (value: unknown) => value is number;

const isText = (value: unknown): value is string => typeof value === "string";
const isTextArray = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isRange = (value: unknown): value is PipesRange =>
  isPlainObject(value) && isText(value["start"]) && isText(value["end"]);

function isMapOf<Item>(isItem: (item: unknown) => boolean) {
  return (value: unknown): value is Record<string, Item> => isPlainObject(value) && Object.values(value).every(isItem);
}

function nullable<T>(value: unknown, key: string, holds: (value: unknown) => value is T, expected: string): T | null {
  return value === null ? null : required(value, key, holds, `${expected} or null`);
}

function required<T>(value: unknown, key: string, holds: (value: unknown) => value is T, expected: string): T {
  if (holds(value)) return value;
  throw fault(`context.${key}`, expected, value);
}

function fault(name: string, expected: string, value: unknown): PipesBootstrapError {
  return new PipesBootstrapError(
    `The Pipes context that Dagster wrote cannot be used: \`${name}\` must be ${expected}, got ${describeValue(value)}.`,
  );
}
