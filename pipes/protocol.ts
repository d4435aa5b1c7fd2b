/** Version of the Dagster Pipes protocol, which is apart from the version of this package. */
const PIPES_PROTOCOL_VERSION = "0.1";

/** Environment variable, or key of a mapping, that says where the context is. */
export const CONTEXT_VARIABLE = "DAGSTER_PIPES_CONTEXT";

/** Environment variable, or key of a mapping, that says where messages go. */
export const MESSAGES_VARIABLE = "DAGSTER_PIPES_MESSAGES";

/**
 * Longest line in bytes. A file grows page by page while a long line is written, and Dagster's own
 * reader takes what is there for a line: of lines of 1 MB it was seen to tear 8 %, of lines of
 * 250 kB none in 5,000. A reader that waits for the newline allows more.
 */
export const DEFAULT_MAX_MESSAGE_BYTES = 250_000;

/** Every method of the protocol. */
export type PipesMethod =
  | "opened"
  | "closed"
  | "log"
  | "report_asset_materialization"
  | "report_asset_check"
  | "report_custom_message"
  | "log_external_stream";

/** Parameters as Dagster's context injector or message reader wrote them. */
export type PipesParams = Readonly<Record<string, unknown>>;

/** Levels that Dagster's logger knows. */
export type PipesLogLevel = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** What a failed check means: `ERROR` can stop what is downstream, `WARN` cannot. */
export type PipesCheckSeverity = "WARN" | "ERROR";

/** One of the two standard streams. */
export type PipesStream = "stdout" | "stderr";

/** An error as the protocol writes it; all five keys are required. */
export interface PipesException {
  readonly message: string;
  readonly stack: readonly string[];
  readonly name: string | null;
  readonly cause: PipesException | null;
  readonly context: PipesException | null;
}

/** One message, without the newline that ends it. */
export function messageLine(method: PipesMethod, paramsText: string): string {
  return `{"__dagster_pipes_version":"${PIPES_PROTOCOL_VERSION}","method":"${method}","params":${paramsText}}`;
}
