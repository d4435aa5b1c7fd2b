import { ProjectError } from "../definitions/project_error.ts";

/** The run was terminated. */
export class TerminatedError extends ProjectError {
  readonly code = "terminated";
  readonly retryable = false;
}

/** A body that does not follow its signal is not waited for longer. */
const PATIENCE_MS = 3_000;

/** A signal that is aborted when the process is asked to end; a second request, or no answer in time, ends it at once. */
export function terminationSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) endAtOnce();
    controller.abort(new TerminatedError(`terminated by ${name}`));
    setTimeout(endAtOnce, PATIENCE_MS).unref();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller.signal;
}

/** Pipes tells Dagster while the process exits; then a statement that still runs in an engine would hold up the exit. */
function endAtOnce(): void {
  process.once("exit", () => process.kill(process.pid, "SIGKILL"));
  process.exit(1);
}
