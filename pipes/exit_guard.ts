import { PipesSignalError, PipesUnfinishedError } from "./errors.ts";

/** An open context, as far as the end of the process concerns it. */
export interface Guarded {
  readonly mode: "sync" | "async";
  /** Closes with an error; must not throw. */
  closeOnExit(error: unknown): void;
  /** Closes with an error and waits for delivery; must not reject. */
  closeOnExitAsync(error: unknown): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Signal = (typeof SIGNALS)[number];

/** An object store that does not answer must not keep a dying process alive. */
const DELIVERY_TIMEOUT_MS = 20_000;

const open = new Set<Guarded>();
let reason: { readonly error: Error } | undefined;
let isEnding = false;
let realExit: typeof process.exit | undefined;

/** Sees to it that the context is closed with the real reason, however the process ends. */
export function guard(context: Guarded): void {
  if (open.size === 0) {
    reason = undefined;
    process.on("exit", onExit);
    process.on("beforeExit", onBeforeExit);
    process.on("uncaughtExceptionMonitor", onFatal);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  open.add(context);
  if (context.mode === "async" && realExit === undefined) {
    process.on("uncaughtException", onUncaught);
    // eslint-disable-next-line @typescript-eslint/unbound-method -- put back as it was, and always called on process
    realExit = process.exit;
    process.exit = exitAfterDelivery;
  }
}

/** Ends the watch over a context that was closed. The last one takes all the hooks away. */
export function unguard(context: Guarded): void {
  if (!open.delete(context) || isEnding) return;
  if (realExit !== undefined && ![...open].some((other) => other.mode === "async")) {
    process.off("uncaughtException", onUncaught);
    if (process.exit === exitAfterDelivery) process.exit = realExit;
    realExit = undefined;
  }
  if (open.size === 0) removeHooks();
}

function removeHooks(): void {
  process.off("exit", onExit);
  process.off("beforeExit", onBeforeExit);
  process.off("uncaughtExceptionMonitor", onFatal);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function onExit(code: number): void {
  if (open.size === 0) return;
  const error = reason?.error ?? exitError(code);
  closeAll(error);
  // An exit in the middle of the work must not pass for success.
  if (code === 0) process.exitCode = 1;
}

function onBeforeExit(): void {
  reason ??= {
    error: new PipesUnfinishedError(
      "The event loop ran empty while the Pipes context was open: a promise never settled, or the context was not closed.",
    ),
  };
  const waiting = [...open].filter((context) => context.mode === "async");
  if (waiting.length === 0 || isEnding) return;
  process.exitCode = process.exitCode === undefined || process.exitCode === 0 ? 1 : process.exitCode;
  void deliver(reason.error).then(() => {
    isEnding = false;
  });
}

/** Runs before Node prints an uncaught error and ends the process; also for unhandled rejections. */
function onFatal(error: Error): void {
  if (isEnding) return;
  reason = { error };
  // With a handler of the program's own the process may live on, and its work with it.
  if (process.listenerCount("uncaughtException") === 0) closeAll(error);
}

/** Only while an object store has yet to be told: Node would end before it is. */
function onUncaught(error: Error): void {
  if (isEnding || process.listenerCount("uncaughtException") > 1) return;
  console.error(error);
  void deliver(error).then(() => {
    realExit?.call(process, 1);
  });
}

function onSignal(signal: NodeJS.Signals): void {
  const error = new PipesSignalError(signal);
  reason = { error };
  // A program that listens itself decides what the signal means, and closes.
  if (process.listenerCount(signal) > 1) return;
  if (isEnding || ![...open].some((context) => context.mode === "async")) {
    closeAll(error);
    dieOf(signal as Signal);
    return;
  }
  void deliver(error).then(() => {
    dieOf(signal as Signal);
  });
}

/** Dies as it would have without our handler, so that the parent sees the signal. */
function dieOf(signal: Signal): void {
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}

function exitAfterDelivery(code?: number | string | null): never {
  const wanted = Number(code ?? process.exitCode ?? 0);
  const error = reason?.error ?? exitError(wanted);
  if (!isEnding)
    void deliver(error).then(() => {
      realExit?.call(process, wanted === 0 ? 1 : wanted);
    });
  // `process.exit` never returns, and its callers rely on that.
  throw error;
}

async function deliver(error: unknown): Promise<void> {
  isEnding = true;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DELIVERY_TIMEOUT_MS);
  });
  await Promise.race([Promise.all([...open].map((context) => context.closeOnExitAsync(error))), timeout]);
  clearTimeout(timer);
}

function closeAll(error: unknown): void {
  for (const context of [...open]) context.closeOnExit(error);
}

function exitError(code: number): PipesUnfinishedError {
  return new PipesUnfinishedError(`The process exited with code ${code} before the Pipes context was closed.`);
}
