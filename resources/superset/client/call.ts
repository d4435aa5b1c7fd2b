import { type RisonValue, toRison } from "./rison.ts";

/** What all requests have. */
export interface CallOptions {
  /** The parameter `q`, as a value. */
  readonly query?: RisonValue;
  /** Other parameters of the URL. */
  readonly params?: Readonly<Record<string, string>>;
  /** For one attempt, from the request to the last byte of the answer. @default that of the client */
  readonly timeoutMs?: number;
  /** Stops waiting and trying. */
  readonly signal?: AbortSignal;
}

/** What requests with a body have beside. */
export interface WriteOptions extends CallOptions {
  /**
   * Whether a second one does no harm, so that it is repeated when nobody knows what became of the first. PUT and DELETE
   * always are. A POST that makes an object is not: find out whether it is there.
   * @default false for POST
   */
  readonly repeatable?: boolean;
  /** Texts of the body that no message may hold, such as a password. */
  readonly secrets?: readonly string[];
}

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v1`, such as `/dataset/3`. */
  readonly path: string;
  readonly body?: unknown;
  readonly options: WriteOptions;
}

/** Whether the same request may be sent again without knowing what became of the first. */
export function isRepeatable({ method, options }: Call): boolean {
  return method === "POST" ? (options.repeatable ?? false) : true;
}

/** The URL of a request; `base` is that of Superset. */
export function urlOf(base: string, { path, options }: Call): URL {
  const url = new URL(`${base}/api/v1${path}`);
  if (options.query !== undefined) url.searchParams.set("q", toRison(options.query));
  for (const [name, value] of Object.entries(options.params ?? {})) url.searchParams.set(name, value);
  return url;
}

/** Method and path, for people. */
export function labelOf({ method, path }: Call): string {
  return `${method} /api/v1${path}`;
}
