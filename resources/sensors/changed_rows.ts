import { z } from "zod";
import type { Asset, NameOf, Shape } from "../../definitions/asset.ts";
import type { PostgresSource } from "../../definitions/body.ts";
import type { SensorContext, SensorLogic, SensorResult } from "../../definitions/sensor.ts";
import type { TableRef } from "../../definitions/sql.ts";
import { skipWhileLocked } from "./skip_while_locked.ts";
import { partitionsOf, type PartitionsOf } from "./partitions_of.ts";

/** The rows after `from`, up to `to`. */
export interface RowsChange {
  /** The highest value when rows were seen last; `null`: never. Numbers and times as text, times in UTC. */
  readonly from: string | null;
  readonly to: string;
}

/** How {@link changedRows} looks. */
export interface ChangedRowsOptions<N extends string> {
  /** A column that grows with each change: a serial number, or the time of the last change. */
  readonly column: N;
  /** The partitions that the new rows belong to; `null`: nothing is to be loaded. */
  readonly partition?: ((change: RowsChange) => PartitionsOf) | undefined;
}

const cursorSchema = z.strictObject({
  /** When the sensor began: run keys of a sensor whose cursor was emptied are not those of before. */
  epoch: z.int(),
  max: z.string().nullable(),
});

/** What {@link changedRows} remembers. */
export type ChangedRowsCursor = typeof cursorSchema;
type Remembered = z.output<typeof cursorSchema>;

/**
 * Asks for a run when the highest value of a column grows. Rows that are deleted, or changed without their column, it
 * does not see.
 *
 * @param table An asset, or `postgresTable("schema.table", { url })`.
 * @example
 * ```ts
 * import { defineSensor, postgresTable } from "dagster-typescript";
 * import { changedRows } from "dagster-typescript/sensors";
 * import { orders } from "./orders.ts";
 *
 * export const new_orders = defineSensor("shop/new_orders", {
 *   description: "Loads what the shop has sold.",
 *   assets: [orders],
 *   ...changedRows(postgresTable("public.orders", { url: "SHOP_URL" }), { column: "updated_at" }),
 * });
 * ```
 */
export function changedRows<S extends Shape>(
  table: Asset<S>,
  options: ChangedRowsOptions<NoInfer<NameOf<S, string | number | bigint | Date>>>,
): SensorLogic<ChangedRowsCursor>;
export function changedRows(table: PostgresSource, options: ChangedRowsOptions<string>): SensorLogic<ChangedRowsCursor>;
export function changedRows(
  table: TableRef | PostgresSource,
  options: ChangedRowsOptions<string>,
): SensorLogic<ChangedRowsCursor> {
  return {
    cursor: cursorSchema,
    evaluate: skipWhileLocked((context: SensorContext<Remembered>) => look(table, options, context)),
  };
}

async function look(
  table: TableRef | PostgresSource,
  { column, partition }: ChangedRowsOptions<string>,
  { cursor, now, log, maxOf }: SensorContext<Remembered>,
): Promise<SensorResult<Remembered>> {
  const { epoch, max: from } = cursor ?? { epoch: now.getTime(), max: null };
  const to = await maxOf(table, column);
  if (to === null) return { skip: "there are no rows" };
  if (from !== null && compare(to, from) < 0) {
    log.warning(
      `the highest ${column} went back from ${from} to ${to}: rows were deleted, or the table was made anew. ` +
        `Nothing is requested until it passes ${from}; to start anew, empty the cursor in Dagster`,
    );
    return { skip: `${column} went back from ${from} to ${to}` };
  }
  const next = { epoch, max: to };
  if (to === from) return { skip: `no row after ${to}`, cursor: next };
  log.info(`${column}: ${from ?? "nothing"} → ${to}`);
  const partitions = partition === undefined ? {} : partitionsOf(partition({ from, to }));
  if (partitions === null) return { skip: `the rows up to ${to} are of no partition`, cursor: next };
  return { runs: [{ runKey: `${epoch.toString(36)}-${to}`, ...partitions }], cursor: next };
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Numbers by their value, however long; times and other text by their characters. */
function compare(a: string, b: string): number {
  const [left, right] = [NUMBER.exec(a), NUMBER.exec(b)];
  if (left === null || right === null) return a < b ? -1 : a > b ? 1 : 0;
  const digits = Math.max(left[3]?.length ?? 0, right[3]?.length ?? 0);
  const difference = scaled(left, digits) - scaled(right, digits);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function scaled([, sign, whole = "0", fraction = ""]: RegExpExecArray, digits: number): bigint {
  const value = BigInt(whole + fraction.padEnd(digits, "0"));
  return sign === "-" ? -value : value;
}
