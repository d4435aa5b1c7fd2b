import { z } from "zod";

const column = z.object({
  id: z.number(),
  column_name: z.string(),
  type: z.string().nullish(),
  verbose_name: z.string().nullish(),
  description: z.string().nullish(),
  expression: z.string().nullish(),
  filterable: z.boolean().nullish(),
  groupby: z.boolean().nullish(),
  is_dttm: z.boolean().nullish(),
});

const metric = z.object({
  id: z.number(),
  metric_name: z.string(),
  expression: z.string(),
  verbose_name: z.string().nullish(),
  description: z.string().nullish(),
  d3format: z.string().nullish(),
});

/** The columns of an answer that a sync asks for; all of them take twice as long. */
export const DATASET_FIELDS = [
  ...["id", "uuid", "table_name", "schema", "description", "main_dttm_col", "cache_timeout", "extra", "owners.id"],
  "sql",
  ...["database.id", ...Object.keys(column.shape).map((name) => `columns.${name}`)],
  ...Object.keys(metric.shape).map((name) => `metrics.${name}`),
];

/** A dataset as Superset answers it. */
export const datasetAnswer = z.object({
  id: z.number(),
  result: z.object({
    id: z.number(),
    uuid: z.string().nullish(),
    table_name: z.string(),
    schema: z.string().nullish(),
    /** Of a dataset that is a query rather than a table. */
    sql: z.string().nullish(),
    description: z.string().nullish(),
    main_dttm_col: z.string().nullish(),
    cache_timeout: z.number().nullish(),
    extra: z.string().nullish(),
    owners: z.array(z.object({ id: z.number() })),
    database: z.object({ id: z.number() }),
    columns: z.array(column),
    metrics: z.array(metric),
  }),
});

/** A dataset in Superset. */
export type Dataset = z.infer<typeof datasetAnswer>["result"];
/** One of its columns; with an expression it is one that people have added. */
export type DatasetColumn = z.infer<typeof column>;
/** One of its metrics. */
export type DatasetMetric = z.infer<typeof metric>;
