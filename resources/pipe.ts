import { execFileSync } from "node:child_process";
import { close, constants, mkdtempSync, open, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { finished } from "node:stream/promises";

const openFile = promisify(open);
const closeFile = promisify(close);

/**
 * Hands bytes to whoever reads a named pipe, as fast as they are read; nothing of them is kept.
 *
 * @param read Reads the pipe at the path to its end, once.
 * @throws what the source throws, else what `read` throws
 */
export async function throughPipe<T>(
  source: AsyncIterable<Uint8Array>,
  read: (path: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "dagster-typescript-pipe-"));
  const path = join(folder, "rows");
  try {
    execFileSync("mkfifo", ["-m", "600", path]);
    let isReading = true;
    const reading = read(path).finally(() => {
      isReading = false;
    });
    // Returns when the reader has opened it: whoever wrote and left before would make it wait for ever.
    const opening = openFile(path, "w").then(
      (fd) => write(fd, source, () => isReading),
      (error: unknown) => ({ error }),
    );
    const result = await reading.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    // A reader that failed before it opened the pipe left its writer waiting.
    const taker = await openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const fault = await opening;
    await closeFile(taker);
    if (fault !== undefined) throw fault.error;
    if ("error" in result) throw result.error;
    return result.value;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns what the source threw */
async function write(
  fd: number,
  source: AsyncIterable<Uint8Array>,
  isReading: () => boolean,
): Promise<{ readonly error: unknown } | undefined> {
  const pipe = new Socket({ fd, readable: false });
  // Its reader has failed, and says why.
  pipe.on("error", () => undefined);
  const ended = finished(pipe).catch(() => undefined);
  try {
    for await (const chunk of source) {
      if (pipe.destroyed || !isReading()) break;
      if (!pipe.write(chunk)) await Promise.race([ended, new Promise((resolve) => pipe.once("drain", resolve))]);
    }
    pipe.end();
    return undefined;
  } catch (error) {
    return { error };
  } finally {
    pipe.destroySoon();
    await ended;
  }
}
