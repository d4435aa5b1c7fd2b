import { z } from "zod";
import { timeOf } from "../definitions/partitions.ts";
import type { TableRef } from "../definitions/sql.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { definedAssets, type DefinedTrigger } from "../definitions/registry.ts";
import { partitionFault } from "./partition_fault.ts";

/** What a sensor or schedule returned is wrong: nothing of it counts. */
export class TickResultError extends ProjectError {
  readonly code = "bad_tick_result";
  readonly retryable = false;
}

const table = z.custom<TableRef>(
  (value) => typeof (value as Partial<TableRef> | null | undefined)?.assetKey === "string",
  "expected an asset",
);
const texts = z.array(z.string().min(1));
const range = z.strictObject({ start: z.string().min(1), end: z.string().min(1) });
const run = z.strictObject({
  runKey: z.string().min(1).max(1000).optional(),
  assets: z.array(table).min(1).optional(),
  partitionKey: z.string().min(1).optional(),
  partitionKeys: texts.min(1).optional(),
  partitionRange: range.optional(),
  tags: z.record(z.string(), z.string()).optional(),
  runConfig: z.record(z.string(), z.json()).optional(),
});
const partitionKeys = z.array(z.strictObject({ list: z.string().min(1), keys: texts }));
const scheduleResult = z.strictObject({ runs: z.array(run).optional(), skip: z.string().optional() });
const sensorResult = scheduleResult.extend({
  cursor: z.unknown().optional(),
  addPartitions: partitionKeys.optional(),
  deletePartitions: partitionKeys.optional(),
});

/** What a tick asks of Dagster: `dagster_project/tick.py` reads it. */
export interface TickResult {
  readonly runs: readonly {
    readonly run_key: string | null;
    /** `schema/table`. */
    readonly assets: readonly string[];
    /** Of one run; `null`: the assets have no partitions. */
    readonly partition_keys: readonly string[] | null;
    readonly partition_range: { readonly start: string; readonly end: string } | null;
    readonly tags: Readonly<Record<string, string>>;
    readonly run_config: Readonly<Record<string, unknown>>;
  }[];
  readonly skip: string | null;
  /** As JSON text; `null`: as it was. */
  readonly cursor: string | null;
  readonly add_partitions: readonly { readonly list: string; readonly keys: readonly string[] }[];
  readonly delete_partitions: readonly { readonly list: string; readonly keys: readonly string[] }[];
}

/**
 * Holds what `evaluate` returned against what it may return.
 *
 * @throws TickResultError with everything that is wrong
 */
export function readTickResult(trigger: DefinedTrigger, returned: unknown): TickResult {
  const parsed = (trigger.kind === "sensor" ? sensorResult : scheduleResult).safeParse(returned);
  if (!parsed.success) throw wrong(trigger, parsed.error.issues.map(issueText));
  const result: z.infer<typeof sensorResult> = parsed.data;
  const faults: string[] = [];
  const runs = result.runs ?? [];
  if (runs.length > 0 && result.skip !== undefined) faults.push("skip: there are runs; leave one out");
  const keys = runs.flatMap(({ runKey }) => runKey ?? []);
  for (const key of new Set(keys.filter((one, index) => keys.indexOf(one) !== index)))
    faults.push(`runs: two have the runKey ${JSON.stringify(key)}, of which Dagster would launch one`);
  const read = runs.map((one, index) => {
    const assets = (one.assets ?? trigger.options.assets).map(({ assetKey }) => assetKey);
    faults.push(...runFaults(trigger, one, assets).map((fault) => `runs[${index}]: ${fault}`));
    return {
      run_key: one.runKey ?? null,
      assets,
      partition_keys: one.partitionKey === undefined ? (one.partitionKeys ?? null) : [one.partitionKey],
      partition_range: one.partitionRange ?? null,
      tags: one.tags ?? {},
      run_config: one.runConfig ?? {},
    };
  });
  const cursor = readCursor(trigger, result.cursor, faults);
  if (faults.length > 0) throw wrong(trigger, faults);
  return {
    runs: read,
    skip: result.skip ?? null,
    cursor,
    add_partitions: result.addPartitions ?? [],
    delete_partitions: result.deletePartitions ?? [],
  };
}

function runFaults(trigger: DefinedTrigger, request: z.infer<typeof run>, assets: readonly string[]): string[] {
  const own = new Set(trigger.options.assets.map(({ assetKey }) => assetKey));
  const faults = assets
    .filter((asset) => !own.has(asset))
    .map((asset) => `"${asset}" is none of the assets of the ${trigger.kind}: ${[...own].join(", ")}`);
  const forms = (["partitionKey", "partitionKeys", "partitionRange"] as const).filter(
    (form) => request[form] !== undefined,
  );
  const [form] = forms;
  if (forms.length > 1) faults.push(`${forms.join(" and ")}: expected one of them`);
  const named = request.partitionRange
    ? [request.partitionRange.start, request.partitionRange.end]
    : [...(request.partitionKeys ?? []), ...(request.partitionKey === undefined ? [] : [request.partitionKey])];
  const all = definedAssets();
  const partitioned = assets.flatMap((key) => {
    const partitions = all.find((asset) => asset.key === key)?.options.partitions;
    return partitions === undefined ? [] : [{ key, partitions }];
  });
  const [first] = partitioned;
  if (form !== undefined && first === undefined && assets.every((key) => all.some((asset) => asset.key === key)))
    faults.push(`${form}: ${assets.join(", ")} have no partitions`);
  if (form === undefined && first !== undefined)
    faults.push(`${first.key} has partitions: expected partitionKey, partitionKeys or partitionRange`);
  for (const { key, partitions } of partitioned) {
    for (const name of named) {
      const fault = partitionFault(partitions, name);
      if (fault !== undefined) faults.push(`${JSON.stringify(name)} is no partition of ${key}: ${fault}`);
    }
  }
  if (request.partitionRange && first !== undefined && timeOf(first.partitions) !== undefined) {
    const { start, end } = request.partitionRange;
    if ((end.split("|")[0] ?? "") < (start.split("|")[0] ?? ""))
      faults.push(`partitionRange: ${end} is before ${start}`);
  }
  return faults;
}

/** The cursor as JSON text, which the next tick must be able to read. */
function readCursor(trigger: DefinedTrigger, cursor: unknown, faults: string[]): string | null {
  if (cursor === undefined || trigger.kind === "schedule") return null;
  const schema = trigger.options.cursor;
  if (schema === undefined) {
    faults.push("cursor: the sensor declares none: write cursor: z.strictObject({ … })");
    return null;
  }
  try {
    const text = JSON.stringify(cursor);
    const read = schema.safeParse(JSON.parse(text));
    if (read.success) return text;
    faults.push(...read.error.issues.map((issue) => `cursor: ${issueText(issue)}`));
  } catch (error) {
    faults.push(`cursor: does not survive JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return null;
}

function wrong(trigger: DefinedTrigger, faults: readonly string[]): TickResultError {
  return new TickResultError(`the ${trigger.kind} ${trigger.key} returned something wrong: ${faults.join("; ")}`);
}

function issueText({ path, message }: z.core.$ZodIssue): string {
  const place = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return place === "" ? message : `${place.replace(/^\./, "")}: ${message}`;
}
