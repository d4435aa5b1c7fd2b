import { z } from "zod";

/** A part of an asset key. Dagster accepts more; stores do not. */
const keyPart = z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/);
const assetKey = z.array(keyPart).min(1).describe("Parts, such as schema and table");
const source = z
  .strictObject({ file: z.string(), line: z.int().min(1) })
  .describe("Path relative to the project, line from 1");

const timePartitions = z.strictObject({
  kind: z.enum(["hourly", "daily", "weekly", "monthly"]),
  column: z.string(),
  start: z.string(),
  end: z.string().nullable(),
  timezone: z.string(),
});
const keyPartitions = [
  z.strictObject({ kind: z.literal("static"), column: z.string(), keys: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("dynamic"), column: z.string(), name: z.string() }),
] as const;
const partitions = z
  .discriminatedUnion("kind", [
    timePartitions,
    ...keyPartitions,
    z.strictObject({
      kind: z.literal("two_dimensional"),
      time: timePartitions,
      keys: z.discriminatedUnion("kind", keyPartitions),
    }),
  ])
  .nullable();

const partitionMapping = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["all", "last"]), asset: assetKey }),
  z.strictObject({ kind: z.literal("offset"), asset: assetKey, start: z.int(), end: z.int() }),
  z.strictObject({ kind: z.literal("keys"), asset: assetKey, keys: z.array(z.string()) }),
  z
    .strictObject({
      kind: z.literal("dimensions"),
      asset: assetKey,
      time: z.enum(["last", "offset"]),
      start: z.int(),
      end: z.int(),
      same_keys: z.boolean().describe("else all keys"),
    })
    .describe("Between two assets with two dimensions: the time of one by that of the other, moved or the last"),
]);

const freshness = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("time_window"),
      fail_seconds: z.int().min(1),
      warn_seconds: z.int().min(1).nullable(),
    }),
    z.strictObject({
      kind: z.literal("cron"),
      deadline_cron: z.string(),
      timezone: z.string(),
      lower_bound_seconds: z.int().min(1),
    }),
  ])
  .nullable();

const automation = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("eager") }),
    z.strictObject({ kind: z.literal("cron"), cron: z.string(), timezone: z.string() }),
    z.strictObject({ kind: z.literal("missing") }),
  ])
  .nullable();

const retry = z
  .strictObject({
    max_retries: z.int().min(0),
    delay_seconds: z.number().min(0),
    backoff: z.enum(["linear", "exponential"]).nullable(),
    jitter: z.enum(["full", "plus_minus"]).nullable(),
  })
  .nullable();

const column = z.strictObject({
  name: z.string(),
  type: z.string().describe("The store's own name of the type"),
  nullable: z.boolean(),
  unique: z.boolean(),
  description: z.string().nullable(),
});

const check = z.strictObject({
  name: z.string(),
  kind: z.string(),
  columns: z.array(z.string()),
  severity: z.enum(["ERROR", "WARN"]),
  blocking: z.boolean(),
  description: z.string(),
});

const asset = z.strictObject({
  key: assetKey,
  body: z.enum(["query", "materialized_view", "rows", "copy", "archive", "validation", "task", "superset"]),
  store: z.string().nullable().describe("null for a task and for what is in Superset"),
  table: z
    .strictObject({ schema: z.string(), name: z.string() })
    .nullable()
    .describe("null for a task and for what is in Superset"),
  description: z.string(),
  deps: z.array(assetKey),
  columns: z.array(column),
  checks: z.array(check),
  partitions,
  partition_mappings: z.array(partitionMapping),
  each: z.boolean().describe("Partitions are published each by itself"),
  max_partitions_per_run: z.int().min(1).nullable(),
  freshness,
  automation,
  owners: z.array(z.string()),
  tags: z.record(z.string(), z.string()),
  kinds: z.array(z.string()),
  group: z.string(),
  pool: z.string().nullable(),
  retry,
  timeout_seconds: z.int().min(1).describe("Limit of a step"),
  incremental: z.boolean().describe("A run adds to the table, unless it is a full refresh"),
  exclusive: z.string().nullable().describe("Steps of one run with the same value run one at a time"),
  code_version: z.string(),
  sources: z.array(source).min(1).describe("The asset's own file first"),
});

const trigger = {
  key: assetKey,
  description: z.string(),
  assets: z.array(assetKey).min(1).describe("What its runs materialise"),
  timeout_seconds: z.int().min(1).max(59).describe("Limit of a tick in Node"),
  default_status: z.enum(["running", "stopped"]),
  tags: z.record(z.string(), z.string()).describe("Of its runs"),
  sources: z.array(source).min(1),
};

const sensor = z.strictObject({
  ...trigger,
  interval_seconds: z.int().min(1),
  watches: z.array(assetKey).describe("Assets whose materializations it is told of"),
});

const schedule = z.strictObject({
  ...trigger,
  cron: z.string(),
  timezone: z.string(),
  partitions: z.enum(["latest", "all"]).nullable().describe("null: Node says at each tick which runs there are"),
  checks_only: z.boolean().describe("Its runs execute the checks of the assets alone"),
});

const fault = z.strictObject({
  code: z.string(),
  asset: assetKey.nullable(),
  file: z.string(),
  line: z.int().min(1),
  message: z.string(),
});

/** Everything that Dagster knows of a project of TypeScript assets. `dagster_project/manifest.schema.json` is made from it. */
export const manifestSchema = z.strictObject({
  version: z.literal(1),
  source_digest: z.string().describe("Of the files under assets/ and sql/; see dagster_project/manifest.py"),
  assets: z.array(asset),
  schedules: z.array(schedule),
  sensors: z.array(sensor),
  faults: z.array(fault),
});

/** @see manifestSchema */
export type Manifest = z.infer<typeof manifestSchema>;
/** One asset of a {@link Manifest}. */
export type ManifestAsset = z.infer<typeof asset>;
/** One schedule of a {@link Manifest}. */
export type ManifestSchedule = z.infer<typeof schedule>;
/** One sensor of a {@link Manifest}. */
export type ManifestSensor = z.infer<typeof sensor>;

/** The JSON Schema that the Dagster side validates a manifest with. */
export function manifestJsonSchema(): object {
  return { title: "Manifest of a project of TypeScript assets", ...z.toJSONSchema(manifestSchema) };
}
