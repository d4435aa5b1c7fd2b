import { describeValue } from "./errors.ts";
import type { PipesException } from "./protocol.ts";
import type { Redact } from "./redaction.ts";
import { fitText } from "./message_size.ts";
import { jsonText } from "./json_text.ts";

/** Longer chains are cut: they are circular or nobody reads them. */
const MAX_CHAIN = 20;
const MAX_AGGREGATED = 10;

/** Describes anything that was thrown, with its whole chain of causes. Never throws. */
export function describeException(thrown: unknown, redact?: Redact): PipesException {
  return describe(thrown, redact ?? ((text) => text), MAX_CHAIN, new Set());
}

/**
 * The JSON text of an exception in at most `maxBytes`: the ends of long messages, stacks and chains
 * are left out. It always fits, because without it nobody learns that the process has ended.
 */
export function exceptionText(exception: PipesException, maxBytes: number): string {
  for (let limit = 64_000, chain = MAX_CHAIN; chain > 0; limit /= 2) {
    const text = jsonText(cut(exception, Math.max(limit, 200), chain), { method: "close", parameter: "exception" });
    if (text.length <= maxBytes) return text;
    if (limit <= 200) chain = Math.floor(chain / 2);
  }
  const { name, message } = exception;
  const short = {
    name: name && fitText(name, 200),
    message: fitText(message, 200),
    stack: [],
    cause: null,
    context: null,
  };
  return jsonText(short, { method: "close", parameter: "exception" });
}

function describe(thrown: unknown, redact: Redact, left: number, seen: Set<unknown>): PipesException {
  seen.add(thrown);
  const message = messageOf(thrown);
  const inner = innerErrors(thrown).filter((error) => !seen.has(error) && left > 0);
  const [cause, context] = inner.map((error) => describe(error, redact, left - 1, seen));
  return {
    message: redact(message),
    stack: stackOf(thrown, message).map((line) => `${redact(line)}\n`),
    name: nameOf(thrown),
    cause: cause ?? null,
    context: context ?? null,
  };
}

/** The cause first; then, for errors that carry another one, what was going on when it was thrown. */
function innerErrors(thrown: unknown): unknown[] {
  const cause = read(thrown, "cause");
  const causes = cause === undefined || cause === null ? [] : [cause];
  if (nameOf(thrown) === "SuppressedError") {
    // `using` reports the failed disposal and suppresses the error that the block threw.
    return [read(thrown, "suppressed"), read(thrown, "error")].filter((error) => error !== undefined);
  }
  const errors = read(thrown, "errors");
  return Array.isArray(errors) && causes.length === 0 ? (errors as unknown[]).slice(0, 2) : causes;
}

function messageOf(thrown: unknown): string {
  const message = read(thrown, "message");
  if (typeof message !== "string") return `A value that is not an Error was thrown: ${safeText(thrown)}`;
  const errors = read(thrown, "errors");
  if (!Array.isArray(errors)) return message;
  const lines = (errors as unknown[])
    .slice(0, MAX_AGGREGATED)
    .map((error, index) => `[${index + 1}] ${headline(error)}`);
  const more = errors.length > MAX_AGGREGATED ? [`… and ${errors.length - MAX_AGGREGATED} more`] : [];
  return [message, ...lines, ...more].filter((line) => line !== "").join("\n");
}

function headline(error: unknown): string {
  const message = read(error, "message");
  return typeof message === "string" ? `${nameOf(error) ?? "Error"}: ${message}` : safeText(error);
}

function nameOf(thrown: unknown): string | null {
  const name = read(thrown, "name");
  return typeof name === "string" && name !== "" ? name : null;
}

function stackOf(thrown: unknown, message: string): string[] {
  const stack = read(thrown, "stack");
  if (typeof stack !== "string") return [];
  // V8 begins the stack with name and message, which Dagster shows on its own.
  const lines = stack.split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  if (first >= 0) return lines.slice(first);
  return stack.includes(message) ? [] : lines;
}

/** Reads a property of anything; a getter that throws counts as absent. */
function read(value: unknown, key: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function safeText(value: unknown): string {
  try {
    if (typeof value === "string") return value;
    const json = JSON.stringify(value) as string | undefined;
    return json ?? describeValue(value);
  } catch {
    return describeValue(value);
  }
}

function cut(exception: PipesException, limit: number, chain: number): PipesException {
  const lines = Math.max(2, Math.floor(limit / 300));
  const stack = exception.stack.slice(0, lines).map((line) => fitText(line, Math.max(200, limit / 10)));
  const missing = exception.stack.length - stack.length;
  const inner = (error: PipesException | null): PipesException | null =>
    error !== null && chain > 1 ? cut(error, Math.max(limit / 2, 200), chain - 1) : null;
  return {
    message: fitText(exception.message, limit),
    stack: missing > 0 ? [...stack, `    … and ${missing} more lines\n`] : stack,
    name: exception.name === null ? null : fitText(exception.name, 1_000),
    cause: inner(exception.cause),
    context: inner(exception.context),
  };
}
