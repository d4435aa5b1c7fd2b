import { z } from "zod";
import type { PublishedData } from "../../resources/superset/dataset/wanted.ts";

/** What Dagster has recorded of the data of an asset: `dagster_project/superset/versions.py`. */
export const recordedData = z.object({
  data_version: z.string(),
  run_id: z.string(),
  at: z.string(),
  was_other: z.boolean(),
});

/** The same in our words. */
export function publishedOf(recorded: z.infer<typeof recordedData>): PublishedData {
  const { data_version: dataVersion, run_id: runId, at, was_other: wasOther } = recorded;
  return { dataVersion, runId, at, wasOther };
}
