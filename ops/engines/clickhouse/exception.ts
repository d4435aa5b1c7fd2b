/** An error in the form of ClickHouse: `Code: 60. DB::Exception: …. (UNKNOWN_TABLE) (version …)`. */
export class ClickHouseException extends Error {
  readonly clickHouseCode: number;

  constructor(code: number, name: string, text: string) {
    super(`Code: ${code}. DB::Exception: ${text}. (${name})`);
    this.clickHouseCode = code;
  }
}

/** Codes of our own refusals. https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
export const refusals = {
  severalStatements: () => new ClickHouseException(62, "SYNTAX_ERROR", "Multi-statements are not allowed"),
  notImplemented: (what: string) =>
    new ClickHouseException(48, "NOT_IMPLEMENTED", `${what}: the local engine cannot do this, a ClickHouse server can`),
  wrongPassword: (user: string) =>
    new ClickHouseException(516, "AUTHENTICATION_FAILED", `${user}: Authentication failed: password is incorrect, or there is no user with such name`), // prettier-ignore
  emptyQuery: () => new ClickHouseException(62, "SYNTAX_ERROR", "Syntax error: Empty query"),
  unknownCompression: (name: string) =>
    new ClickHouseException(48, "NOT_IMPLEMENTED", `Unknown compression method: ${name}`),
  badBody: (reason: string) => new ClickHouseException(354, "CANNOT_DECOMPRESS", `The body cannot be read: ${reason}`),
} as const;

/** The statuses that a ClickHouse server answers with, by its error codes; all others are 500. */
const STATUSES: readonly (readonly [status: number, codes: readonly number[]])[] = [
  // CANNOT_PARSE_…, TYPE_MISMATCH, SYNTAX_ERROR, INCORRECT_DATA, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, …
  [400, [6, 25, 26, 27, 38, 41, 53, 62, 69, 72, 117, 130, 131, 167, 168, 321, 354, 377, 457]],
  [401, [194]], // REQUIRED_PASSWORD
  [403, [164, 192, 193, 291, 497, 516]], // READONLY, UNKNOWN_USER, WRONG_PASSWORD, DATABASE_ACCESS_DENIED, ACCESS_DENIED, AUTHENTICATION_FAILED
  [404, [46, 47, 50, 56, 60, 63, 73, 78, 79, 80, 81, 115, 152]], // UNKNOWN_FUNCTION, …_IDENTIFIER, …_TYPE, …_TABLE, …_DATABASE, …
  [408, [159]], // TIMEOUT_EXCEEDED
  [501, [48]], // NOT_IMPLEMENTED
];

/** An error as a ClickHouse server would answer it. */
export interface ErrorAnswer {
  readonly status: number;
  readonly code: number;
  readonly text: string;
}

/** Turns whatever was thrown into the answer of a ClickHouse server. */
export function toErrorAnswer(error: unknown, version: string): ErrorAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const code = Number(/Code: (\d+)\./.exec(message)?.[1] ?? 0);
  // 1001 is STD_EXCEPTION: something that ClickHouse did not foresee.
  const text = code === 0 ? `Code: 1001. DB::Exception: ${message}. (STD_EXCEPTION)` : message;
  const status = STATUSES.find(([, codes]) => codes.includes(code))?.[0] ?? 500;
  return { status, code: code === 0 ? 1001 : code, text: `${text} (version ${version} (chDB))\n` };
}
