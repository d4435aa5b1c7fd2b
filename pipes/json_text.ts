import { PipesArgumentError, describeValue } from "./errors.ts";

/**
 * Deepest nesting that is written. Dagster takes several Python stack frames per level, of which
 * it has a thousand, and a reader that runs out of them loses everything that follows.
 */
export const MAX_JSON_DEPTH = 64;

/** Python refuses to read longer integers (`sys.int_info.default_max_str_digits`). */
const MAX_INTEGER_DIGITS = 4300;

/** A value that repeats one object again and again can be far larger than the memory that holds it. */
const MAX_JSON_CHARACTERS = 16_000_000;

/** Where a value came from, for error messages, and what is done to its strings. */
export interface JsonTextOptions {
  readonly method: string;
  readonly parameter: string;
  /** Applied to each string value, never to keys. */
  readonly mapText?: ((text: string) => string) | undefined;
}

/**
 * Writes any JSON-like value as ASCII text on one line.
 *
 * Differs from `JSON.stringify` where that would lose something or break a reader: a bigint is an
 * exact integer; NaN, infinities, functions, symbols, Map, Set and `undefined` in arrays are
 * refused with their path; lone surrogates, which Dagster cannot store, become U+FFFD. Properties
 * that are `undefined` are left out, and `toJSON` is honoured, as everywhere else.
 *
 * @throws PipesArgumentError when the value has no JSON form.
 */
export function jsonText(value: unknown, options: JsonTextOptions): string {
  return new JsonWriter(options).write(value, options.parameter, 0);
}

/** Writes a string as ASCII JSON. */
export function stringText(text: string): string {
  // Only ASCII: no reader can split the line at U+2028 or mistake the encoding.
  return JSON.stringify(text.toWellFormed()).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Writes a finite number so that every JSON reader takes it for a float: `1` becomes `1.0`. */
export function floatText(value: number): string {
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

class JsonWriter {
  readonly #options: JsonTextOptions;
  #characters = 0;

  constructor(options: JsonTextOptions) {
    this.#options = options;
  }

  write(value: unknown, path: string, depth: number): string {
    const text = this.#text(value, path, depth);
    this.#characters += typeof value === "object" ? 2 : text.length;
    if (this.#characters > MAX_JSON_CHARACTERS) {
      throw this.#fault(this.#options.parameter, `at most ${MAX_JSON_CHARACTERS} characters as JSON`, "more");
    }
    return text;
  }

  #text(value: unknown, path: string, depth: number): string {
    switch (typeof value) {
      case "string":
        return stringText(this.#options.mapText ? this.#options.mapText(value) : value);
      case "boolean":
        return value ? "true" : "false";
      case "number":
        if (!Number.isFinite(value)) throw this.#fault(path, "a finite number", describeValue(value));
        // Python would read the digits of a large double as an exact integer, which they are not.
        return Number.isInteger(value) && !Number.isSafeInteger(value) ? floatText(value) : JSON.stringify(value);
      case "bigint":
        return this.#integer(value, path);
      case "object":
        return value === null ? "null" : this.#composite(value, path, depth);
      case "undefined":
      case "function":
      case "symbol":
        throw this.#fault(path, "a JSON value", describeValue(value));
    }
  }

  #integer(value: bigint, path: string): string {
    const text = value.toString();
    if (text.length > MAX_INTEGER_DIGITS) {
      throw this.#fault(path, `an integer of at most ${MAX_INTEGER_DIGITS} digits`, `${text.length} digits`);
    }
    return text;
  }

  #composite(value: object, path: string, depth: number): string {
    if (depth >= MAX_JSON_DEPTH) {
      throw this.#fault(
        this.#options.parameter,
        `nested at most ${MAX_JSON_DEPTH} levels deep`,
        "deeper or circular nesting",
      );
    }
    if (Array.isArray(value)) {
      const items: readonly unknown[] = value;
      return `[${Array.from(items, (item, index) => this.write(item, `${path}[${index}]`, depth + 1)).join(",")}]`;
    }
    if (hasToJson(value)) {
      const plain = value.toJSON();
      // An invalid Date answers null here, which would pass for a deliberate null.
      if (plain === null) throw this.#fault(path, "a valid date", describeValue(value));
      return this.write(plain, path, depth + 1);
    }
    if (!isPlainObject(value)) throw this.#fault(path, "a plain object, array or scalar", describeValue(value));
    const members: string[] = [];
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      members.push(`${stringText(key)}:${this.write(member, `${path}.${key}`, depth + 1)}`);
    }
    return `{${members.join(",")}}`;
  }

  #fault(parameter: string, expected: string, got: string): PipesArgumentError {
    return new PipesArgumentError({ method: this.#options.method, parameter, expected, got });
  }
}

/** Whether the value says itself what its JSON form is. */
export function hasToJson(value: object): value is { toJSON(): unknown } {
  return "toJSON" in value && typeof value.toJSON === "function";
}

/** Whether the value is an object literal or like one, also from another realm. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Parses JSON; integers that a `number` cannot hold exactly become bigints.
 *
 * @throws SyntaxError when the text is not JSON.
 */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    const isLargeInteger = typeof value === "number" && !Number.isSafeInteger(value) && Number.isInteger(value);
    return isLargeInteger && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
  }) as unknown;
}
