import type { z } from "zod";
import type { Log } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import { definedTriggers, type DefinedTrigger } from "../definitions/registry.ts";
import type { Schedule } from "../definitions/schedule.ts";
import type { Sensor } from "../definitions/sensor.ts";
import type { Materialization, PartitionKeys, PartitionRange } from "../definitions/tick.ts";
import { evaluateTick, type Tables, type Tick } from "./tick.ts";
import type { TickResult } from "./tick_result.ts";

/** The definition under test has faults, which the manifest would report. */
export class FaultyDefinitionError extends ProjectError {
  readonly code = "faulty_definition";
  readonly retryable = false;
}

/** What a tick under test is told; everything is optional. */
export interface TestTickOptions {
  /** @default the present */
  readonly now?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @default the current folder */
  readonly projectDir?: string | undefined;
  /** Answers for tables. @default none is there */
  readonly maxOf?: Tables["maxOf"] | undefined;
  /** @default none is there */
  readonly arrivals?: Tables["arrivals"] | undefined;
  /** @default nothing was published */
  readonly lastPublishes?: Tables["lastPublishes"] | undefined;
}

/** What a tick of a sensor under test is told. */
export interface TestSensorOptions<C> extends TestTickOptions {
  /** As an earlier tick returned it. @default null: it is the first tick */
  readonly cursor?: C | null | undefined;
  readonly materializations?: readonly Materialization[] | undefined;
}

/** A run that was asked for. */
export interface TestRun {
  readonly runKey: string | null;
  readonly assets: readonly string[];
  readonly partitionKeys: readonly string[] | null;
  readonly partitionRange: PartitionRange | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly runConfig: Readonly<Record<string, unknown>>;
}

/** What came of a tick. */
export interface TestTick {
  readonly runs: readonly TestRun[];
  readonly skip: string | null;
  readonly log: readonly { readonly level: keyof Log; readonly message: string }[];
}

/** What came of a tick of a sensor. */
export interface TestSensorTick<C> extends TestTick {
  /** For the next tick; unchanged if the sensor returned none. */
  readonly cursor: C | null;
  readonly addPartitions: readonly PartitionKeys[];
  readonly deletePartitions: readonly PartitionKeys[];
}

/**
 * Evaluates a sensor once without Dagster, as strictly as with it. Which partitions exist only Dagster knows.
 *
 * @throws TickResultError when it returns something wrong, and whatever it throws
 * @example
 * ```ts
 * import { testSensor } from "dagster-typescript/testing";
 * import { inbox } from "../assets/shop/inbox.ts";
 *
 * const first = await testSensor(inbox, { now: new Date("2017-01-02T00:00:00Z") });
 * const second = await testSensor(inbox, { cursor: first.cursor });
 * console.log(first.runs, second.skip);
 * ```
 */
export async function testSensor<C extends z.ZodType>(
  sensor: Sensor<C>,
  options: TestSensorOptions<NoInfer<z.input<C>>> = {},
): Promise<TestSensorTick<z.input<C>>> {
  const cursor = options.cursor === undefined || options.cursor === null ? null : JSON.stringify(options.cursor);
  const { result, ...tick } = await evaluate(sensor, options, {
    cursor,
    scheduledAt: null,
    materializations: options.materializations ?? [],
  });
  const next = result.cursor ?? cursor;
  return {
    ...tick,
    cursor: next === null ? null : (JSON.parse(next) as z.input<C>),
    addPartitions: result.add_partitions,
    deletePartitions: result.delete_partitions,
  };
}

/**
 * Evaluates a schedule once without Dagster; only those with an `evaluate` can be.
 *
 * @throws TickResultError when it returns something wrong, and whatever it throws
 */
export async function testSchedule(
  schedule: Schedule,
  options: TestTickOptions & { readonly scheduledAt: Date },
): Promise<TestTick> {
  const { runs, skip, log } = await evaluate(schedule, options, {
    cursor: null,
    scheduledAt: options.scheduledAt,
    materializations: [],
  });
  return { runs, skip, log };
}

async function evaluate(
  { kind, key }: { readonly kind: string; readonly key: string },
  options: TestTickOptions,
  tick: Tick,
): Promise<TestTick & { readonly result: TickResult }> {
  const defined = definedTriggers().findLast((one) => one.kind === kind && one.key === key);
  if (defined === undefined) throw new TypeError(`${key} was not made by defineSensor or defineSchedule`);
  requireSound(defined);
  const log: { level: keyof Log; message: string }[] = [];
  const logAt =
    (level: keyof Log) =>
    (message: string): void => {
      log.push({ level, message });
    };
  const result = await evaluateTick(defined, tick, {
    now: options.now ?? new Date(),
    signal: options.signal ?? new AbortController().signal,
    projectDir: options.projectDir ?? process.cwd(),
    maxOf: options.maxOf ?? (() => Promise.resolve(null)),
    arrivals: options.arrivals ?? (() => Promise.resolve(null)),
    lastPublishes: options.lastPublishes ?? (() => Promise.resolve(new Map())),
    log: { debug: logAt("debug"), info: logAt("info"), warning: logAt("warning"), error: logAt("error") },
  });
  const runs = result.runs.map((run) => ({
    runKey: run.run_key,
    assets: run.assets,
    partitionKeys: run.partition_keys,
    partitionRange: run.partition_range,
    tags: run.tags,
    runConfig: run.run_config,
  }));
  return { result, runs, skip: result.skip, log };
}

function requireSound({ key, faults }: DefinedTrigger): void {
  if (faults.length > 0)
    throw new FaultyDefinitionError(`${key} has faults: ${faults.map(({ message }) => message).join("; ")}`);
}
