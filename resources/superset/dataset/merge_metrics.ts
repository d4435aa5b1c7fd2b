import { type Judge, type MergedParts } from "./judge.ts";
import type { Dataset, DatasetMetric } from "./model.ts";
import { digestsOf, isAsWritten, type SyncRecord } from "./record.ts";
import type { WantedDataset, WantedMetric } from "./wanted.ts";

const METRIC_FIELDS = ["expression", "verbose_name", "description", "d3format"] as const;

/** Which metrics a dataset is to have, and what is to be written of each. */
export function mergeMetrics(
  wanted: WantedDataset,
  dataset: Dataset,
  record: SyncRecord | undefined,
  judge: Judge,
): MergedParts {
  const now = new Map(dataset.metrics.map((metric) => [metric.metric_name, metric]));
  const digests: Record<string, string> = {};
  const count = judge.differences.length;
  const body: object[] = wanted.metrics.map((metric) => {
    const actual = now.get(metric.name);
    const values = metricValues(metric);
    if (actual === undefined) {
      judge.differences.push(`metric ${metric.name}: added`);
      digests[metric.name] = digestsOf(values);
      const fields = METRIC_FIELDS.map((name, index) => [name, values[index] ?? null] as const);
      return { metric_name: metric.name, ...Object.fromEntries(fields) };
    }
    const fields = METRIC_FIELDS.map((name, index) => ({ name, wanted: values[index], current: actual[name] ?? null }));
    const settled = judge.settle(`metric ${metric.name}`, record?.written.metrics[metric.name], fields, actual);
    digests[metric.name] = settled.digests;
    return { id: actual.id, metric_name: metric.name, expression: actual.expression, ...settled.changed };
  });
  for (const metric of dataset.metrics) {
    if (metric.metric_name in digests) continue;
    if (isWithdrawn(metric, record, judge)) judge.differences.push(`metric ${metric.metric_name}: removed`);
    else body.push({ id: metric.id, metric_name: metric.metric_name, expression: metric.expression });
  }
  return { body: judge.differences.length === count ? null : body, digests };
}

/** Whether we have made a metric, declare it no more, and nobody has made it theirs. */
function isWithdrawn(metric: DatasetMetric, record: SyncRecord | undefined, judge: Judge): boolean {
  const written = record?.written.metrics[metric.metric_name];
  if (written === undefined) return false;
  return judge.removesEdited || isAsWritten(written, 0, metric.expression);
}

/** In the order of `METRIC_FIELDS`. */
function metricValues({ expression, label, description, format }: WantedMetric): unknown[] {
  return [expression, label, description, format];
}
