import { createHash } from "node:crypto";
import type { SensorLogic } from "../../definitions/sensor.ts";
import type { TableRef } from "../../definitions/sql.ts";

/** How {@link materialized} answers. */
export interface MaterializedOptions {
  /**
   * The partitions to load when a partition of the watched asset changed; `null`: nothing is to be loaded. Without it,
   * each tick with changes asks for one run without partitions.
   */
  readonly partition?: ((partition: string) => string | readonly string[] | null) | undefined;
}

/**
 * Asks for a run when another asset was materialised and its data changed, once the run that did it has ended. What was
 * materialised before the sensor began does not count.
 *
 * @example
 * ```ts
 * import { defineSensor } from "dagster-typescript";
 * import { materialized } from "dagster-typescript/sensors";
 * import { orders } from "./orders.ts";
 * import { report } from "./report.ts";
 *
 * export const after_orders = defineSensor("shop/after_orders", {
 *   description: "The report of the day that changed.",
 *   assets: [report],
 *   ...materialized(orders, { partition: (day) => day }),
 * });
 * ```
 */
export function materialized(asset: TableRef, { partition }: MaterializedOptions = {}): SensorLogic {
  return {
    watches: [asset],
    evaluate: ({ materializations }) => {
      const changed = materializations.filter((one) => one.changed);
      if (changed.length === 0) {
        const what = materializations.length === 0 ? "was not materialised" : "has the same data as before";
        return { skip: `${asset.assetKey} ${what}` };
      }
      const events = changed.map((one) => [one.runId, one.partition, one.dataVersion, one.at.getTime()]);
      const runKey = createHash("sha256").update(JSON.stringify(events)).digest("hex").slice(0, 24);
      if (partition === undefined) return { runs: [{ runKey }] };
      const keys = changed.flatMap((one) => (one.partition === null ? [] : (partition(one.partition) ?? [])));
      if (keys.length === 0) return { skip: `what changed in ${asset.assetKey} is of no partition` };
      return { runs: [{ runKey, partitionKeys: [...new Set(keys)].sort() }] };
    },
  };
}
