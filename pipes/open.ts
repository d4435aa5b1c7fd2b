import { AsyncLocalStorage } from "node:async_hooks";

import { decodeParams, pipesFromProcess, type PipesBootstrap } from "./bootstrap.ts";
import type { PipesContextLoader, PipesMessageChannel, PipesMessageWriter, SyncMessageChannel } from "./channel.ts";
import { PipesContext } from "./context.ts";
import { EMPTY_CONTEXT_DATA, parseContextData } from "./context_data.ts";
import { defaultContextLoader, defaultMessageWriter } from "./defaults.ts";
import { PipesAlreadyOpenError, PipesBootstrapError, PipesNotOpenError } from "./errors.ts";
import { guard, unguard, type Guarded } from "./exit_guard.ts";
import { CONTEXT_VARIABLE, MESSAGES_VARIABLE, type PipesParams } from "./protocol.ts";
import type { Redact } from "./redaction.ts";

/** How to open Pipes. */
export interface OpenPipesOptions<Channel extends PipesMessageChannel = PipesMessageChannel> {
  /**
   * Where Dagster's two values come from. Given as `undefined`, as `pipesFromMapping` answers for
   * an event without them, it means: not launched by Dagster.
   *
   * @default the environment of the process, else its arguments
   */
  readonly bootstrap?: PipesBootstrap | undefined;
  /** @default {@link defaultContextLoader} */
  readonly contextLoader?: PipesContextLoader;
  /** @default {@link defaultMessageWriter} */
  readonly messageWriter?: PipesMessageWriter<Channel>;
  /** Masks secrets in log lines, errors, metadata values and custom messages on their way out. */
  readonly redact?: Redact | undefined;
  /** Longest message in bytes, as the reader can take it. @default 250_000 */
  readonly maxMessageBytes?: number | undefined;
  /** Whether the context is closed with the reason when the process ends before. @default true */
  readonly guardExit?: boolean;
}

const storage = new AsyncLocalStorage<PipesContext>();
const openSessions = new Map<string, PipesContext>();
let current: PipesContext | undefined;
let hasWarned = false;

/**
 * Opens Pipes over a file, a standard stream or inline data, and tells Dagster so.
 *
 * In a process that Dagster did not launch it warns once and returns a context that checks its
 * arguments and sends nothing. Close the context when the work is done; {@link runWithPipes} does
 * so by itself.
 *
 * @throws PipesBootstrapError when what Dagster passed cannot be used.
 * @throws PipesAlreadyOpenError when the same session is open in this process.
 */
export function openPipes(options: OpenPipesOptions<SyncMessageChannel> = {}): PipesContext {
  const session = bootstrapOf(options);
  if (session === undefined) return setCurrent(inactiveContext(options));
  const { contextParams, messagesParams } = decode(session);
  const loaded = (options.contextLoader ?? defaultContextLoader).loadContext(contextParams);
  if (loaded instanceof Promise) {
    loaded.catch(() => undefined);
    throw new PipesBootstrapError("The context loader answers with a promise: use `await openPipesAsync(…)`.");
  }
  return setCurrent(activeContext(session, loaded, messagesParams, options));
}

/** Like {@link openPipes}, for context loaders and message writers over a network too. */
export async function openPipesAsync(options: OpenPipesOptions = {}): Promise<PipesContext> {
  return setCurrent(await openAsync(options));
}

/**
 * Opens Pipes, runs `work`, and closes: with the error if `work` throws, which is then thrown on.
 * Inside `work`, {@link getPipesContext} finds the context, also when several run at once.
 *
 * @example
 * ```ts
 * await runWithPipes(async (pipes) => {
 *   pipes.log.info(`loading ${pipes.assetKey}`);
 *   pipes.reportAssetMaterialization({ metadata: { "dagster/row_count": 3 } });
 * });
 * ```
 */
export async function runWithPipes<Result>(
  work: (context: PipesContext) => Result | PromiseLike<Result>,
  options: OpenPipesOptions = {},
): Promise<Result> {
  const context = await openAsync(options);
  let result: Result;
  try {
    result = await runInContext(context, work);
  } catch (error) {
    // The work's own error is the one to tell of, even if telling Dagster of it fails.
    await context.closeAsync(error ?? new Error("undefined was thrown")).catch(reportLoss);
    throw error;
  }
  await context.closeAsync();
  return result;
}

/** Runs code for which {@link getPipesContext} answers the given context. */
export function runInContext<Result>(context: PipesContext, work: (context: PipesContext) => Result): Result {
  return storage.run(context, () => work(context));
}

/** The context of the current invocation. @throws PipesNotOpenError when there is none. */
export function getPipesContext(): PipesContext {
  const context = tryGetPipesContext();
  if (context !== undefined) return context;
  throw new PipesNotOpenError("No Pipes context is open here: call it inside `runWithPipes`, or after `openPipes`.");
}

/** Like {@link getPipesContext}, but `undefined` when there is none. */
export function tryGetPipesContext(): PipesContext | undefined {
  const local = storage.getStore();
  if (local !== undefined) return local;
  return current?.isClosed === false ? current : undefined;
}

function setCurrent(context: PipesContext): PipesContext {
  current = context;
  return context;
}

async function openAsync(options: OpenPipesOptions): Promise<PipesContext> {
  const session = bootstrapOf(options);
  if (session === undefined) return inactiveContext(options);
  const { contextParams, messagesParams } = decode(session);
  const loaded: unknown = await (options.contextLoader ?? defaultContextLoader).loadContext(contextParams);
  return activeContext(session, loaded, messagesParams, options);
}

function bootstrapOf(options: OpenPipesOptions): PipesBootstrap | undefined {
  return "bootstrap" in options ? options.bootstrap : pipesFromProcess();
}

function decode(bootstrap: PipesBootstrap): { contextParams: PipesParams; messagesParams: PipesParams } {
  demandNotOpen(identityOf(bootstrap));
  return {
    contextParams: decodeParams(bootstrap.context, CONTEXT_VARIABLE),
    messagesParams: decodeParams(bootstrap.messages, MESSAGES_VARIABLE),
  };
}

function activeContext(
  session: PipesBootstrap,
  loaded: unknown,
  params: PipesParams,
  options: OpenPipesOptions,
): PipesContext {
  const identity = identityOf(session);
  demandNotOpen(identity);
  const data = parseContextData(loaded);
  const writer: PipesMessageWriter = options.messageWriter ?? defaultMessageWriter;
  const channel = writer.open(params);
  let guarded: Guarded | undefined;
  const context = new PipesContext({
    data,
    channel,
    openedExtras: writer.openedExtras?.(),
    includeStdio: params["include_stdio_in_messages"] === true,
    redact: options.redact,
    maxMessageBytes: options.maxMessageBytes,
    onClosed: (closed) => {
      if (openSessions.get(identity) === closed) openSessions.delete(identity);
      if (guarded !== undefined) unguard(guarded);
    },
  });
  openSessions.set(identity, context);
  if (options.guardExit !== false) {
    guarded = guardedContext(context, channel);
    guard(guarded);
  }
  return context;
}

function guardedContext(context: PipesContext, channel: PipesMessageChannel): Guarded {
  return {
    mode: channel.mode,
    closeOnExit(error) {
      if (channel.mode === "async") {
        void context.closeAsync(error).catch(() => undefined);
        reportLoss(new Error("the process ended before the object store was told"));
        return;
      }
      try {
        context.close(error);
      } catch (loss) {
        reportLoss(loss);
      }
    },
    closeOnExitAsync: (error) => context.closeAsync(error).catch(reportLoss),
  };
}

function inactiveContext(options: OpenPipesOptions): PipesContext {
  if (!hasWarned) {
    hasWarned = true;
    process.emitWarning(
      "This process was not launched by Dagster through Pipes: what it reports is checked and then dropped.",
      "DagsterPipesWarning",
    );
  }
  return new PipesContext({ data: EMPTY_CONTEXT_DATA, channel: undefined, maxMessageBytes: options.maxMessageBytes });
}

function identityOf(bootstrap: PipesBootstrap): string {
  return `${bootstrap.context} ${bootstrap.messages}`;
}

function demandNotOpen(identity: string): void {
  if (openSessions.has(identity)) {
    throw new PipesAlreadyOpenError(
      "This Dagster session is open already: use `getPipesContext()`, or close the context before opening it again.",
    );
  }
}

function reportLoss(loss: unknown): void {
  console.error("Dagster could not be told how this process ended:", loss);
}
