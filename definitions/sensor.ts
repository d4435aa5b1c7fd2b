import type { z } from "zod";
import { asText } from "./as_text.ts";
import type { Duration } from "./duration.ts";
import type { Fault, SourcePosition } from "./fault.ts";
import { registerTrigger } from "./registry.ts";
import { callerPositions, UNKNOWN_POSITION } from "./source_position.ts";
import type { TableRef } from "./sql.ts";
import type { Materialization, PartitionKeys, RunRequest, TickContext } from "./tick.ts";
import { validateSensor } from "./validate_trigger.ts";

/** What `evaluate` of a sensor is given; `C` is its cursor. */
export interface SensorContext<C> extends TickContext {
  /** What the last tick that succeeded returned; `null` before the first. */
  readonly cursor: C | null;
  /** Those of the sensor. */
  readonly assets: readonly TableRef[];
  /**
   * What happened to the assets in `watches` since the last tick that succeeded, once the runs that did it have ended:
   * of each run and partition the last, in the order of their recording.
   */
  readonly materializations: readonly Materialization[];
}

/** What `evaluate` of a sensor returns. Nothing of it counts unless all of it is right. */
export interface SensorResult<C> {
  readonly runs?: readonly RunRequest[] | undefined;
  /** Why there is nothing to do, for people. */
  readonly skip?: string | undefined;
  /** What the next tick is given. @default as it was */
  readonly cursor?: C | undefined;
  /** Added before the runs are launched. */
  readonly addPartitions?: readonly PartitionKeys[] | undefined;
  readonly deletePartitions?: readonly PartitionKeys[] | undefined;
}

/** What a sensor watches for, and how: the built-in ones make this part, and you may write it yourself. */
export interface SensorLogic<C extends z.ZodType = z.ZodNull> {
  /** The shape of the cursor, which must survive JSON. Without one there is no cursor. */
  readonly cursor?: C | undefined;
  /** Assets whose materializations `evaluate` is told of. */
  readonly watches?: readonly TableRef[] | undefined;
  /** Throws what is wrong with the sensor's assets: a fault of the manifest, where all assets are known. */
  readonly validate?: ((assets: readonly TableRef[]) => void) | undefined;
  readonly evaluate: (
    context: SensorContext<NoInfer<z.output<C>>>,
  ) => SensorResult<NoInfer<z.input<C>>> | Promise<SensorResult<NoInfer<z.input<C>>>>;
}

/** Everything that a sensor is. */
export interface SensorOptions<C extends z.ZodType = z.ZodNull> extends SensorLogic<C> {
  readonly description: string;
  /** What its runs materialise. */
  readonly assets: readonly TableRef[];
  /** The time from one tick to the next, at least. @default "30s" */
  readonly every?: Duration | undefined;
  /** A tick that takes longer fails; at most "50s". @default "20s" */
  readonly timeout?: Duration | undefined;
  /** Whether it runs until somebody switches it off, or not until somebody switches it on. @default "running" */
  readonly defaultStatus?: "running" | "stopped" | undefined;
  /** Tags of its runs. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A sensor, as unit tests refer to it. */
export interface Sensor<C extends z.ZodType = z.ZodType> {
  readonly kind: "sensor";
  /** `folder/name`. */
  readonly key: string;
  readonly options: SensorOptions<C>;
}

/** A sensor as the runtime sees it. */
export interface DefinedSensor {
  readonly kind: "sensor";
  readonly key: string;
  readonly options: SensorOptions<z.ZodType>;
  readonly position: SourcePosition;
  readonly callers: readonly SourcePosition[];
  readonly faults: readonly Fault[];
}

/**
 * Declares a sensor: it looks at regular intervals whether there is something to do, and asks for runs. Never throws:
 * mistakes are recorded with their file and line, as those of assets are.
 *
 * `evaluate` runs in a Node process of its own, under a time limit of its own. A tick that throws, takes too long or
 * returns something wrong asks for nothing and leaves the cursor as it was.
 *
 * @param key `"folder/name"`, the same as the file's path below `assets/`.
 * @example
 * ```ts
 * import { defineSensor, z } from "dagster-typescript";
 * import { orders } from "./orders.ts";
 *
 * export const new_orders = defineSensor("shop/new_orders", {
 *   description: "Loads orders as soon as the shop has some.",
 *   assets: [orders],
 *   every: "1m",
 *   cursor: z.strictObject({ orderId: z.int() }),
 *   async evaluate({ cursor, signal }) {
 *     const response = await fetch("https://shop.example.com/orders/latest", { signal });
 *     const { orderId } = z.object({ orderId: z.int() }).parse(await response.json());
 *     if (orderId === cursor?.orderId) return { skip: `nothing after order ${orderId}` };
 *     return { runs: [{ runKey: String(orderId) }], cursor: { orderId } };
 *   },
 * });
 * ```
 */
export function defineSensor<C extends z.ZodType = z.ZodNull>(key: string, options: SensorOptions<C>): Sensor<C> {
  const callers = callerPositions();
  const [position = UNKNOWN_POSITION] = callers;
  const name = asText(key);
  const read = validateSensor(name, options, position);
  registerTrigger({ kind: "sensor", key: name, options: read.options, position, callers, faults: read.faults });
  return { kind: "sensor", key: name, options };
}
