/** What a client asks for with `GET /v1/lines`. */
export interface PageRequest {
  /** Received at or after. */
  readonly since: Date | undefined;
  /** Received before. */
  readonly until: Date | undefined;
  /** Position of the first line wanted. */
  readonly cursor: number | undefined;
  readonly limit: number;
}

/** A request that the server cannot answer; the message is for the client. */
export class BadRequestError extends Error {
  override readonly name = "BadRequestError";
  readonly code = "bad_request";
}

const MAX_LIMIT = 50_000;
const DEFAULT_LIMIT = 1_000;
const PARAMETERS: ReadonlySet<string> = new Set(["since", "until", "cursor", "limit"]);
const ISO_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/;
const CURSOR = /^p(\d{1,15})$/;

/** @throws BadRequestError for a parameter that is unknown, given twice or of another form than its own */
export function parsePageRequest(parameters: URLSearchParams): PageRequest {
  for (const name of new Set(parameters.keys())) {
    if (!PARAMETERS.has(name)) throw new BadRequestError("unknown parameter; known are since, until, cursor, limit");
    if (parameters.getAll(name).length > 1) throw new BadRequestError(`${name} is given more than once`);
  }
  const since = parseTime("since", parameters.get("since"));
  const until = parseTime("until", parameters.get("until"));
  if (since && until && since > until) throw new BadRequestError("since is later than until");
  return { since, until, cursor: parseCursor(parameters.get("cursor")), limit: parseLimit(parameters.get("limit")) };
}

/** Opaque to clients: they hand back what they were given. */
export function formatCursor(position: number): string {
  return Buffer.from(`p${position}`).toString("base64url");
}

function parseCursor(text: string | null): number | undefined {
  if (text === null) return undefined;
  const position = CURSOR.exec(Buffer.from(text, "base64url").toString("latin1"))?.[1];
  if (position === undefined || formatCursor(Number(position)) !== text) {
    throw new BadRequestError("cursor is not one of this server");
  }
  return Number(position);
}

function parseTime(name: string, text: string | null): Date | undefined {
  return text === null ? undefined : parseInstant(name, text);
}

/** @throws BadRequestError */
export function parseInstant(name: string, text: string): Date {
  const time = new Date(ISO_UTC.test(text) ? text : Number.NaN);
  if (Number.isNaN(time.getTime())) throw new BadRequestError(`${name} is not a time such as 2017-01-31T00:00:00Z`);
  return time;
}

function parseLimit(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw new BadRequestError(`limit is not a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}
