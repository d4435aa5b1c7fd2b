/** Nobody waits longer for what was printed. */
const FLUSH_MS = 5_000;

/**
 * Ends the process once what it printed has gone: into a pipe whose reader is behind, it goes by and by. A timer or a
 * connection that was left behind does not keep the process alive.
 *
 * @param code Default: what `process.exitCode` says.
 */
export function endProcess(code: string | number | null | undefined = process.exitCode): void {
  const exit = (): void => {
    process.exit(code);
  };
  setTimeout(exit, FLUSH_MS).unref();
  process.stdout.write("", () => process.stderr.write("", exit));
}
