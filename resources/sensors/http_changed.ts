import { z } from "zod";
import type { SensorContext, SensorLogic, SensorResult } from "../../definitions/sensor.ts";
import { HttpStatusError, InvalidJsonError, NetworkError } from "../sources/errors.ts";
import { type PreparedRequest, prepareRequest } from "../sources/request.ts";
import { NoValidatorError } from "./errors.ts";
import { partitionsOf, type PartitionsOf } from "./partitions_of.ts";

/** From one state of an endpoint to the next. */
export interface HttpChange {
  /** `null`: there was none before. */
  readonly from: string | number | null;
  readonly to: string | number;
}

/** How {@link httpChanged} looks. */
export interface HttpChangedOptions {
  /**
   * By what a change is known: the `ETag` or `Last-Modified` of the answer, or what a function reads off its JSON. Another
   * text is a change; a number must grow.
   */
  readonly by: "etag" | "lastModified" | ((json: unknown) => string | number);
  /** Called at each tick, so that secrets may come from the environment. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  /** The partitions that changed; `null`: nothing is to be loaded. */
  readonly partition?: ((change: HttpChange) => PartitionsOf) | undefined;
}

const cursorSchema = z.strictObject({
  /** When the sensor began: run keys of a sensor whose cursor was emptied are not those of before. */
  epoch: z.int(),
  /** How often it changed: an endpoint that goes back to an earlier state has changed too. */
  changes: z.int(),
  state: z.union([z.string(), z.number()]).nullable(),
  /** What to send with the next request. */
  validator: z.string().nullable(),
});

/** What {@link httpChanged} remembers. */
export type HttpChangedCursor = typeof cursorSchema;
type Remembered = z.output<typeof cursorSchema>;

const MAX_JSON_BYTES = 16 * 1024 * 1024;

/**
 * Asks for a run when what an HTTP endpoint serves has changed.
 *
 * @param url Or a function, called at each tick, so that it may come from the environment.
 * @example
 * ```ts
 * import { defineSensor, z } from "dagster-typescript";
 * import { httpChanged } from "dagster-typescript/sensors";
 * import { rates } from "./rates.ts";
 *
 * export const new_rates = defineSensor("shop/new_rates", {
 *   description: "Loads exchange rates when the bank publishes new ones.",
 *   assets: [rates],
 *   every: "5m",
 *   ...httpChanged("https://bank.example.com/rates.csv", { by: "etag" }),
 * });
 * ```
 */
export function httpChanged(
  url: string | URL | (() => string | URL),
  options: HttpChangedOptions,
): SensorLogic<HttpChangedCursor> {
  return { cursor: cursorSchema, evaluate: (context) => look(url, options, context) };
}

async function look(
  url: string | URL | (() => string | URL),
  { by, headers, partition }: HttpChangedOptions,
  { cursor, now, log, signal }: SensorContext<Remembered>,
): Promise<SensorResult<Remembered>> {
  const before: Remembered = cursor ?? { epoch: now.getTime(), changes: 0, state: null, validator: null };
  const request = prepareRequest(typeof url === "function" ? url() : url, headers?.());
  const found = await ask(request, by, before.validator, signal);
  if (found === "unchanged" || found.state === before.state)
    return { skip: "as it was", cursor: found === "unchanged" ? before : { ...before, validator: found.validator } };
  const { state: to, validator } = found;
  const from = before.state;
  if (typeof from === "number" && typeof to === "number" && to < from) {
    log.warning(
      `${request.label} went back from ${from} to ${to}. Nothing is requested until it passes ${from}; to start anew, ` +
        "empty the cursor in Dagster",
    );
    return { skip: `went back from ${from} to ${to}` };
  }
  const changes = before.changes + 1;
  const next = { ...before, changes, state: to, validator };
  log.info(`${request.label}: ${from ?? "nothing"} → ${to}`);
  const partitions = partition === undefined ? {} : partitionsOf(partition({ from, to }));
  if (partitions === null) return { skip: "what changed is of no partition", cursor: next };
  return { runs: [{ runKey: `${before.epoch.toString(36)}-${changes}-${to}`, ...partitions }], cursor: next };
}

interface State {
  readonly state: string | number;
  readonly validator: string | null;
}

async function ask(
  request: PreparedRequest,
  by: HttpChangedOptions["by"],
  validator: string | null,
  signal: AbortSignal,
): Promise<State | "unchanged"> {
  const sent = new Headers(request.headers);
  if (validator !== null && typeof by === "string")
    sent.set(by === "etag" ? "if-none-match" : "if-modified-since", validator);
  const response = await send(request, sent, signal);
  if (response.status === 304 && validator !== null) {
    await response.body?.cancel();
    return "unchanged";
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new HttpStatusError(`${request.label}: answered ${response.status}.`, response.status, undefined);
  }
  if (typeof by === "function") return { state: by(await readJson(request, response)), validator: null };
  await response.body?.cancel();
  const name = by === "etag" ? "ETag" : "Last-Modified";
  const value = response.headers.get(name);
  if (value === null)
    throw new NoValidatorError(`${request.label}: the answer has no ${name}: say by what else a change is known`);
  if (by === "etag") return { state: value, validator: value };
  const at = Date.parse(value);
  if (Number.isNaN(at))
    throw new NoValidatorError(`${request.label}: Last-Modified is no time: ${JSON.stringify(value.slice(0, 100))}`);
  return { state: at, validator: value };
}

async function send(request: PreparedRequest, headers: Headers, signal: AbortSignal): Promise<Response> {
  try {
    // A redirect would carry headers of the caller's own to another host.
    return await fetch(request.url, { headers, signal, redirect: "manual" });
  } catch (error) {
    signal.throwIfAborted();
    const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = inner instanceof Error ? inner.message : String(inner);
    throw new NetworkError(`${request.label}: ${reason || "the connection failed"}.`, { cause: error });
  }
}

async function readJson(request: PreparedRequest, response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > MAX_JSON_BYTES)
      throw new InvalidJsonError(`${request.label}: the answer is longer than ${MAX_JSON_BYTES} bytes.`);
    chunks.push(chunk as Uint8Array);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new InvalidJsonError(`${request.label}: the answer of ${size} bytes is not JSON, or was cut off.`);
  }
}
