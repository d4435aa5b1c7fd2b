import { PipesContext } from "./context.ts";
import { EMPTY_CONTEXT_DATA, type PipesContextData } from "./context_data.ts";
import { runInContext } from "./open.ts";
import type { PipesCheckSeverity, PipesException, PipesLogLevel, PipesStream } from "./protocol.ts";
import type { Redact } from "./redaction.ts";

/** A metadata value as Dagster receives it. Bigints and large integers arrive as numbers here. */
export interface RecordedMetadata {
  readonly type: string;
  readonly raw_value: unknown;
}

/** Every message that Dagster would have received, parsed. */
export type RecordedMessage =
  | { readonly method: "opened"; readonly params: { readonly extras: Readonly<Record<string, unknown>> } }
  | { readonly method: "closed"; readonly params: { readonly exception?: PipesException } }
  | { readonly method: "log"; readonly params: { readonly message: string; readonly level: PipesLogLevel } }
  | {
      readonly method: "report_asset_materialization";
      readonly params: {
        readonly asset_key: string;
        readonly data_version: string | null;
        readonly metadata: Readonly<Record<string, RecordedMetadata>> | null;
      };
    }
  | {
      readonly method: "report_asset_check";
      readonly params: {
        readonly asset_key: string;
        readonly check_name: string;
        readonly passed: boolean;
        readonly severity: PipesCheckSeverity;
        readonly metadata: Readonly<Record<string, RecordedMetadata>> | null;
      };
    }
  | { readonly method: "report_custom_message"; readonly params: { readonly payload: unknown } }
  | {
      readonly method: "log_external_stream";
      readonly params: { readonly stream: PipesStream; readonly text: string; readonly extras: object };
    };

/** What the code under test is told that Dagster asks for; everything is optional. */
export interface TestPipesOptions {
  readonly assetKeys?: readonly string[];
  readonly codeVersionByAssetKey?: PipesContextData["code_version_by_asset_key"];
  readonly provenanceByAssetKey?: PipesContextData["provenance_by_asset_key"];
  readonly partitionKey?: string;
  /** @default the partition key as both ends, where one is given */
  readonly partitionKeyRange?: PipesContextData["partition_key_range"];
  readonly partitionTimeWindow?: PipesContextData["partition_time_window"];
  /** @default "test-run" */
  readonly runId?: string;
  readonly jobName?: string;
  /** @default 0 */
  readonly retryNumber?: number;
  readonly extras?: Readonly<Record<string, unknown>>;
  readonly redact?: Redact;
  readonly maxMessageBytes?: number;
}

/** A Pipes context without Dagster, and what was reported to it. */
export interface TestPipes {
  readonly context: PipesContext;
  /** All messages so far, in order. */
  readonly messages: readonly RecordedMessage[];
  /** The messages of one method, in order. */
  messagesOf<Method extends RecordedMessage["method"]>(method: Method): Extract<RecordedMessage, { method: Method }>[];
  /** Runs code for which `getPipesContext()` answers this context. Does not close it. */
  run<Result>(work: (context: PipesContext) => Result): Result;
}

/**
 * Makes a Pipes context for unit tests. It is the real one, with all its checks, over a channel
 * that records.
 *
 * @example
 * ```ts
 * const pipes = createTestPipes({ assetKeys: ["shop/orders"] });
 * await pipes.run(() => loadOrders());
 * expect(pipes.messagesOf("report_asset_materialization")).toHaveLength(1);
 * ```
 */
export function createTestPipes(options: TestPipesOptions = {}): TestPipes {
  const messages: RecordedMessage[] = [];
  const context = new PipesContext({
    data: contextData(options),
    channel: {
      mode: "sync",
      write(line) {
        messages.push(JSON.parse(line) as RecordedMessage);
      },
      close() {
        // Nothing is held.
      },
    },
    redact: options.redact,
    maxMessageBytes: options.maxMessageBytes,
  });
  return {
    context,
    messages,
    messagesOf: <Method extends RecordedMessage["method"]>(method: Method) =>
      messages.filter((message): message is Extract<RecordedMessage, { method: Method }> => message.method === method),
    run: (work) => runInContext(context, work),
  };
}

function contextData(options: TestPipesOptions): PipesContextData {
  const keys = options.assetKeys ?? null;
  const byKey = keys === null ? null : Object.fromEntries(keys.map((key) => [key, null]));
  const partition = options.partitionKey;
  return {
    ...EMPTY_CONTEXT_DATA,
    asset_keys: keys,
    code_version_by_asset_key: options.codeVersionByAssetKey ?? byKey,
    provenance_by_asset_key: options.provenanceByAssetKey ?? byKey,
    partition_key: partition ?? null,
    partition_key_range:
      options.partitionKeyRange ?? (partition === undefined ? null : { start: partition, end: partition }),
    partition_time_window: options.partitionTimeWindow ?? null,
    run_id: options.runId ?? "test-run",
    job_name: options.jobName ?? null,
    retry_number: options.retryNumber ?? 0,
    extras: options.extras ?? {},
  };
}
