import type { z } from "zod";
import { type Clock, systemClock } from "../../sources/clock.ts";
import type { SupersetCredentials } from "../settings.ts";
import { type Call, type CallOptions, isRepeatable, labelOf, urlOf, type WriteOptions } from "./call.ts";
import { SupersetAnswerError, SupersetNotFoundError } from "./errors.ts";
import { faultOf } from "./faults.ts";
import { listAll, type ListOptions } from "./list.ts";
import { parseAnswer } from "./parse_answer.ts";
import { type SupersetLog, type SupersetRetryOptions, withRetries } from "./retry.ts";
import { type Headers, Session } from "./session.ts";
import { type Answer, send } from "./transport.ts";

/** Where Superset is, who we are there, and how patient we are. {@link supersetSettings} gives the first three. */
export interface SupersetClientOptions {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly credentials: SupersetCredentials;
  /** For one attempt of one request, in milliseconds. @default 60000 */
  readonly timeoutMs?: number;
  readonly retry?: SupersetRetryOptions;
  /** Ends waiting and trying of all requests. */
  readonly signal?: AbortSignal;
  readonly log?: SupersetLog;
  /** Time and chance; tests bring their own. */
  readonly clock?: Clock;
}

/**
 * Superset's REST API, version 6, with one account.
 *
 * Paths are below `/api/v1`. Answers are parsed with a schema; what is not 2xx is a `SupersetError` of a class per cause.
 * Logins and CSRF tokens come and go by themselves. What may succeed later is tried again with growing waits: a request
 * that can be repeated always, a POST only when it was certainly not carried out.
 *
 * @example
 * const client = new SupersetClient(supersetSettings(process.env));
 * const { result } = await client.get(`/dataset/${id}`, z.object({ result: z.object({ table_name: z.string() }) }));
 */
export class SupersetClient {
  /** Where Superset is, for links: `http://host:port`. */
  readonly url: string;
  readonly #options: SupersetClientOptions;
  readonly #session: Session;
  readonly #clock: Clock;

  constructor(options: SupersetClientOptions) {
    this.#options = options;
    this.url = options.url;
    this.#clock = options.clock ?? systemClock;
    this.#session = new Session(options.credentials, options.url, (call, headers) => this.#once(call, headers));
  }

  /** @throws SupersetError */
  async get<T>(path: string, schema: z.ZodType<T>, options: CallOptions = {}): Promise<T> {
    return await this.#call({ method: "GET", path, options }, schema);
  }

  /** @throws SupersetError */
  async post<T>(path: string, body: unknown, schema: z.ZodType<T>, options: WriteOptions = {}): Promise<T> {
    return await this.#call({ method: "POST", path, body, options }, schema);
  }

  /** @throws SupersetError */
  async put<T>(path: string, body: unknown, schema: z.ZodType<T>, options: WriteOptions = {}): Promise<T> {
    return await this.#call({ method: "PUT", path, body, options }, schema);
  }

  /**
   * @returns false where there was nothing to delete
   * @throws SupersetError
   */
  async delete(path: string, options: CallOptions = {}): Promise<boolean> {
    try {
      await this.#send({ method: "DELETE", path, options });
      return true;
    } catch (error) {
      if (error instanceof SupersetNotFoundError) return false;
      throw error;
    }
  }

  /**
   * All objects of a kind that the filters let through, over all pages.
   *
   * @param resource Such as `dataset`, `chart`, `dashboard`, `database`.
   * @param schema Of one object. `id` is always asked for.
   * @throws SupersetError
   */
  async list<T extends { readonly id: number }>(
    resource: string,
    schema: z.ZodType<T>,
    options: ListOptions = {},
  ): Promise<T[]> {
    return await listAll(this, resource, schema, options);
  }

  async #call<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
    const { text } = await this.#send(call);
    let value: unknown;
    try {
      value = text === "" ? undefined : parseAnswer(text);
    } catch {
      throw new SupersetAnswerError(
        labelOf(call),
        `${labelOf(call)} was answered with something that is not JSON. Is SUPERSET_URL (${this.url}) the address of a Superset 6?`,
      );
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new SupersetAnswerError(
      labelOf(call),
      `${labelOf(call)} was answered in another shape than expected: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}. Is this a Superset 6?`,
    );
  }

  async #send(call: Call): Promise<Answer> {
    return await withRetries(() => this.#authorized(call), {
      options: this.#options.retry ?? {},
      clock: this.#clock,
      log: this.#options.log,
      signal: this.#signalOf(call),
      isRepeatable: isRepeatable(call),
    });
  }

  /** One attempt, and another one right away with a new login or a new CSRF token where that was what was wrong. */
  async #authorized(call: Call): Promise<Answer> {
    for (let renewals = 0; ; renewals++) {
      let headers: Headers = {};
      try {
        headers = await this.#session.headers(call.method !== "GET");
        return await this.#once(call, headers);
      } catch (error) {
        if (renewals === 2 || !this.#session.forget(error, headers)) throw error;
      }
    }
  }

  async #once(call: Call, headers: Headers): Promise<Answer> {
    const { method, body, options } = call;
    const label = labelOf(call);
    const url = urlOf(this.url, call);
    const answer = await send({
      url,
      method,
      headers,
      body,
      label,
      timeoutMs: options.timeoutMs ?? this.#options.timeoutMs ?? 60_000,
      signal: this.#signalOf(call),
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    const secrets = [...this.#session.secrets, ...(options.secrets ?? [])];
    throw faultOf({ label, origin: url.origin, redact: (text) => redact(text, secrets) }, answer, this.#clock.now());
  }

  #signalOf({ options }: Call): AbortSignal | undefined {
    const signals = [options.signal, this.#options.signal].filter((signal) => signal !== undefined);
    return signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  }
}

function redact(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "***")), text);
}
