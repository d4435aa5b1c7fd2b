/**
 * Base of everything this folder throws. Match on the class or on `code`, never on the message.
 */
export abstract class PipesError extends Error {
  /** Stable, machine-readable cause. */
  abstract readonly code: string;
  /** Whether trying the same call again can succeed. */
  readonly retryable: boolean = false;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A value given to a Pipes call has the wrong type or is not allowed. */
export class PipesArgumentError extends PipesError {
  readonly code = "pipes_argument";
  readonly method: string;
  readonly parameter: string;
  readonly expected: string;
  readonly got: string;

  constructor(fault: { method: string; parameter: string; expected: string; got: string }) {
    super(`${fault.method}: parameter \`${fault.parameter}\` must be ${fault.expected}, got ${fault.got}.`);
    this.method = fault.method;
    this.parameter = fault.parameter;
    this.expected = fault.expected;
    this.got = fault.got;
  }
}

/** What Dagster passed to this process (bootstrap parameters or context) cannot be used. */
export class PipesBootstrapError extends PipesError {
  readonly code = "pipes_bootstrap";
}

/** A context property was asked for that this step does not have, such as the partition of an unpartitioned step. */
export class PipesUndefinedError extends PipesError {
  readonly code = "pipes_undefined";
}

/** There is no open context here. */
export class PipesNotOpenError extends PipesError {
  readonly code = "pipes_not_open";
}

/** The same Dagster session is already open in this process. */
export class PipesAlreadyOpenError extends PipesError {
  readonly code = "pipes_already_open";
}

/** Something was reported after the context was closed. */
export class PipesClosedError extends PipesError {
  readonly code = "pipes_closed";
}

/** A second materialization was reported for one asset. */
export class PipesDuplicateMaterializationError extends PipesError {
  readonly code = "pipes_duplicate_materialization";
}

/** A message that may not be shortened is longer than the limit. */
export class PipesMessageTooLargeError extends PipesError {
  readonly code = "pipes_message_too_large";
}

/** A message could not be written to, or the context not be read from, the place that Dagster named. */
export class PipesDeliveryError extends PipesError {
  readonly code = "pipes_delivery";
  override readonly retryable = true;
}

/** The process ended, by itself or by `process.exit`, while the context was open. */
export class PipesUnfinishedError extends PipesError {
  readonly code = "pipes_unfinished";
}

/** A signal ended the process while the context was open. */
export class PipesSignalError extends PipesError {
  readonly code = "pipes_signal";
  readonly signal: string;

  constructor(signal: string) {
    super(`The process received ${signal} before its work was finished.`);
    this.signal = signal;
  }
}

/** Names the kind of a value for an error message. The text of strings is left out: it may be a secret. */
export function describeValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "number":
    case "boolean":
      return `${typeof value} ${Object.is(value, -0) ? "-0" : value}`;
    case "bigint":
      return "a bigint";
    case "string":
      return value === "" ? "an empty string" : "a string";
    case "function":
      return "a function";
    case "symbol":
      return "a symbol";
    default:
      return describeObject(value);
  }
}

function describeObject(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return "an object";
  const maker: unknown = (prototype as { constructor?: unknown }).constructor;
  const name = typeof maker === "function" ? maker.name : "";
  return name === "" || name === "Object" ? "an object" : `an instance of ${name}`;
}
