import { PipesArgumentError, describeValue } from "./errors.ts";
import type { PipesLogLevel } from "./protocol.ts";

const LEVELS: ReadonlySet<string> = new Set<PipesLogLevel>(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]);

/** Sends log lines to the event log of the Dagster run. */
export class PipesLogger {
  readonly #send: (message: string, level: PipesLogLevel) => void;

  constructor(send: (message: string, level: PipesLogLevel) => void) {
    this.#send = send;
  }

  /** Detail that only matters to someone who is looking for a fault. */
  debug(message: string): void {
    this.log("DEBUG", message);
  }

  /** What happened. */
  info(message: string): void {
    this.log("INFO", message);
  }

  /** Something that a person should look at some day. */
  warning(message: string): void {
    this.log("WARNING", message);
  }

  /** Something failed. */
  error(message: string): void {
    this.log("ERROR", message);
  }

  /** Something failed that others depend on. */
  critical(message: string): void {
    this.log("CRITICAL", message);
  }

  /** Logs at a level chosen at run time. */
  log(level: PipesLogLevel, message: string): void {
    if (!LEVELS.has(level)) {
      const expected = `one of ${[...LEVELS].join(", ")}`;
      throw new PipesArgumentError({ method: "log", parameter: "level", expected, got: describeValue(level) });
    }
    if (typeof message !== "string") {
      const got = describeValue(message);
      throw new PipesArgumentError({ method: "log", parameter: "message", expected: "a string", got });
    }
    this.#send(message, level);
  }
}
