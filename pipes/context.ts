import type { AssetKeyInput } from "./asset_key.ts";
import { assetKeyParts, escapeAssetKey } from "./asset_key.ts";
import type { PipesMessageChannel } from "./channel.ts";
import type { PipesContextData, PipesDataProvenance, PipesRange } from "./context_data.ts";
import {
  PipesArgumentError,
  PipesClosedError,
  PipesDuplicateMaterializationError,
  PipesUndefinedError,
  describeValue,
} from "./errors.ts";
import { PipesLogger } from "./logger.ts";
import { MessageSender } from "./message_sender.ts";
import type { Jsonable, MetadataMap } from "./metadata_entry.ts";
import type { PipesCheckSeverity, PipesStream } from "./protocol.ts";
import type { Redact } from "./redaction.ts";

/** A materialization to report. */
export interface MaterializationReport {
  /** May be left out when the step has exactly one asset. */
  readonly assetKey?: AssetKeyInput | undefined;
  readonly metadata?: MetadataMap | undefined;
  /** Equal versions mean equal data: downstream automation can leave itself alone. */
  readonly dataVersion?: string | undefined;
}

/** The outcome of an asset check to report. */
export interface CheckReport {
  /** May be left out when the step has exactly one asset. */
  readonly assetKey?: AssetKeyInput | undefined;
  readonly checkName: string;
  readonly passed: boolean;
  /** @default "ERROR" */
  readonly severity?: PipesCheckSeverity | undefined;
  readonly metadata?: MetadataMap | undefined;
}

/** What a context is made of. */
export interface PipesContextParts {
  readonly data: PipesContextData;
  /** `undefined` outside Dagster: everything is checked and nothing is sent. */
  readonly channel: PipesMessageChannel | undefined;
  readonly openedExtras?: Readonly<Record<string, unknown>> | undefined;
  readonly includeStdio?: boolean | undefined;
  readonly redact?: Redact | undefined;
  readonly maxMessageBytes?: number | undefined;
  /** Runs once, as soon as the context counts as closed. */
  readonly onClosed?: ((context: PipesContext) => void) | undefined;
}

/** One invocation by Dagster: what it asks for, and the way to tell it what was done. */
export class PipesContext {
  /** Everything that Dagster passed, `null` where it does not apply. */
  readonly data: PipesContextData;
  /** Sends lines to the event log of the run. */
  readonly log: PipesLogger;
  readonly #parts: PipesContextParts;
  readonly #sender: MessageSender;
  readonly #materialized = new Set<string>();
  #isClosed = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(parts: PipesContextParts) {
    this.data = parts.data;
    this.#parts = parts;
    this.#sender = new MessageSender(parts);
    this.log = new PipesLogger((message, level) => {
      this.#demandOpen("log");
      this.#sender.log(message, level);
    });
    this.#sender.opened();
  }

  /** Whether Dagster is listening. */
  get isActive(): boolean {
    return this.#parts.channel !== undefined;
  }

  /** Whether nothing more can be reported. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the step targets assets. */
  get isAssetStep(): boolean {
    return this.data.asset_keys !== null;
  }

  /** The escaped keys of the step's assets, in alphabetical order. @throws PipesUndefinedError outside an asset step. */
  get assetKeys(): readonly string[] {
    return this.#defined(this.data.asset_keys, "assetKeys", "targets no assets");
  }

  /** The escaped key of the step's only asset. @throws PipesUndefinedError when there is not exactly one. */
  get assetKey(): string {
    const [key, ...others] = this.assetKeys;
    if (key !== undefined && others.length === 0) return key;
    throw new PipesUndefinedError(`\`assetKey\` is undefined: the step targets ${this.assetKeys.length} assets.`);
  }

  /** Code version by escaped asset key. @throws PipesUndefinedError outside an asset step. */
  get codeVersionByAssetKey(): Readonly<Record<string, string | null>> {
    return this.#defined(this.data.code_version_by_asset_key, "codeVersionByAssetKey", "targets no assets");
  }

  /** The code version of the step's only asset. @throws PipesUndefinedError when there is not exactly one. */
  get codeVersion(): string | null {
    return this.codeVersionByAssetKey[this.assetKey] ?? null;
  }

  /** Provenance by escaped asset key. @throws PipesUndefinedError outside an asset step. */
  get provenanceByAssetKey(): Readonly<Record<string, PipesDataProvenance | null>> {
    return this.#defined(this.data.provenance_by_asset_key, "provenanceByAssetKey", "targets no assets");
  }

  /** The provenance of the step's only asset. @throws PipesUndefinedError when there is not exactly one. */
  get provenance(): PipesDataProvenance | null {
    return this.provenanceByAssetKey[this.assetKey] ?? null;
  }

  /** Whether Dagster named partitions. In runs over a range it names none. */
  get isPartitionStep(): boolean {
    return this.data.partition_key_range !== null;
  }

  /** @throws PipesUndefinedError when Dagster named no partition. */
  get partitionKey(): string {
    return this.#defined(this.data.partition_key, "partitionKey", "targets no partition");
  }

  /** Both ends inclusive. @throws PipesUndefinedError when Dagster named no partitions. */
  get partitionKeyRange(): PipesRange {
    return this.#defined(this.data.partition_key_range, "partitionKeyRange", "targets no partitions");
  }

  /** ISO times, the end exclusive; `null` for partitions that are not times. @throws PipesUndefinedError without partitions. */
  get partitionTimeWindow(): PipesRange | null {
    this.#defined(this.data.partition_key_range, "partitionTimeWindow", "targets no partitions");
    return this.data.partition_time_window;
  }

  /** The id of the Dagster run; empty outside Dagster. */
  get runId(): string {
    return this.data.run_id;
  }

  /** The name of the job, if the run has one. */
  get jobName(): string | null {
    return this.data.job_name;
  }

  /** 0 in the first attempt of the step. */
  get retryNumber(): number {
    return this.data.retry_number;
  }

  /** Whatever the launching code passed. Integers that a `number` cannot hold exactly are bigints. */
  get extras(): Readonly<Record<string, unknown>> {
    return this.data.extras;
  }

  /** @throws PipesUndefinedError when the launching code passed no such extra. */
  getExtra(key: string): unknown {
    if (Object.hasOwn(this.data.extras, key)) return this.data.extras[key];
    throw new PipesUndefinedError(`The extra \`${key}\` is undefined: the code that launches the step must pass it.`);
  }

  /** Like {@link getExtra}, but `undefined` for an extra that was not passed. */
  tryGetExtra(key: string): unknown {
    return Object.hasOwn(this.data.extras, key) ? this.data.extras[key] : undefined;
  }

  /**
   * Tells Dagster that an asset has been materialized, once per asset.
   *
   * @throws PipesArgumentError when an argument is wrong; nothing is sent then.
   */
  reportAssetMaterialization(report: MaterializationReport = {}): void {
    const method = "reportAssetMaterialization";
    this.#demandOpen(method);
    const assetKey = this.#resolveAssetKey(report.assetKey, method);
    const dataVersion = report.dataVersion ?? null;
    if (dataVersion !== null) demandText(dataVersion, method, "dataVersion");
    if (assetKey !== null && this.#materialized.has(assetKey)) {
      throw new PipesDuplicateMaterializationError(
        `${method}: the asset \`${assetKey}\` has been reported already; Dagster takes one materialization per run.`,
      );
    }
    this.#sender.materialization(assetKey ?? "", dataVersion, report.metadata);
    if (assetKey !== null) this.#materialized.add(assetKey);
  }

  /**
   * Tells Dagster the outcome of an asset check.
   *
   * @throws PipesArgumentError when an argument is wrong; nothing is sent then.
   */
  reportAssetCheck(report: CheckReport): void {
    const method = "reportAssetCheck";
    this.#demandOpen(method);
    const assetKey = this.#resolveAssetKey(report.assetKey, method) ?? "";
    const severity = report.severity ?? "ERROR";
    demandText(report.checkName, method, "checkName");
    if (typeof report.passed !== "boolean") throw fault(method, "passed", "a boolean", report.passed);
    if (!["WARN", "ERROR"].includes(severity)) throw fault(method, "severity", '"WARN" or "ERROR"', severity);
    this.#sender.check({ assetKey, checkName: report.checkName, passed: report.passed, severity }, report.metadata);
  }

  /** Sends any JSON to the launching code, which finds it in `get_custom_messages()`. Never shortened. */
  reportCustomMessage<const T>(payload: T & Jsonable<T>): void {
    this.#demandOpen("reportCustomMessage");
    this.#sender.custom(payload);
  }

  /** Prints text on a standard stream of the orchestration process, as if it came from there. */
  logExternalStream(stream: PipesStream, text: string, extras: Readonly<Record<string, unknown>> = {}): void {
    const method = "logExternalStream";
    this.#demandOpen(method);
    if (!["stdout", "stderr"].includes(stream)) throw fault(method, "stream", '"stdout" or "stderr"', stream);
    if (typeof text !== "string") throw fault(method, "text", "a string", text);
    this.#sender.externalStream(stream, text, extras);
  }

  /**
   * Ends the invocation. Closing again does nothing.
   *
   * @param error what went wrong. It is only logged: the run fails by the exit code of the process.
   * @throws PipesError when messages go to an object store, which needs {@link closeAsync}.
   */
  close(error?: unknown): void {
    if (this.#isClosed) return;
    const { channel } = this.#parts;
    if (channel?.mode === "async") {
      throw new PipesClosedError("The messages of this context go to an object store: use `await closeAsync()`.");
    }
    this.#end(error, () => channel?.close());
  }

  /** Like {@link close}, for any channel; resolves when everything has been delivered. */
  closeAsync(error?: unknown): Promise<void> {
    if (!this.#isClosed) this.#closing = this.#endAsync(error);
    return this.#closing;
  }

  async #endAsync(error: unknown): Promise<void> {
    const { channel } = this.#parts;
    let delivery: Promise<void> | undefined;
    this.#end(error, () => {
      if (channel?.mode === "async") delivery = channel.close();
      else channel?.close();
    });
    await delivery;
  }

  #end(error: unknown, closeChannel: () => void): void {
    this.#isClosed = true;
    try {
      this.#sender.closed(error);
    } finally {
      try {
        closeChannel();
      } finally {
        this.#parts.onClosed?.(this);
      }
    }
  }

  #demandOpen(method: string): void {
    if (this.#isClosed) throw new PipesClosedError(`${method}: the Pipes context is closed.`);
  }

  #resolveAssetKey(given: AssetKeyInput | undefined, method: string): string | null {
    const known = this.data.asset_keys;
    if (given === undefined) {
      const [only, ...others] = known ?? [];
      if (only !== undefined && others.length === 0) return only;
      if (!this.isActive) return null;
      throw fault(method, "assetKey", `given: the step targets ${known?.length ?? 0} assets`, given);
    }
    const parts = assetKeyParts(given, method, "assetKey");
    const key = typeof given === "string" && known?.includes(given) ? given : escapeAssetKey(parts);
    if (known === null || known.length === 0 || known.includes(key)) return key;
    const expected = `one of the step's assets (${known.slice(0, 10).join(", ")}${known.length > 10 ? ", …" : ""})`;
    throw new PipesArgumentError({ method, parameter: "assetKey", expected, got: `\`${key}\`` });
  }

  #defined<T>(value: T | null, property: string, why: string): T {
    if (value !== null) return value;
    const step = this.isActive ? "the step" : "this process was not launched by Dagster and";
    throw new PipesUndefinedError(`\`${property}\` is undefined: ${step} ${why}.`);
  }
}

function demandText(value: unknown, method: string, parameter: string): void {
  if (typeof value !== "string" || value === "") throw fault(method, parameter, "a non-empty string", value);
}

function fault(method: string, parameter: string, expected: string, value: unknown): PipesArgumentError {
  return new PipesArgumentError({ method, parameter, expected, got: describeValue(value) });
}
