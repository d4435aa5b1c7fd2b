import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Folders for one test file, in a place that only its owner may enter, as a checkout of root often is. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(path.join(tmpdir(), "engines-"));
  #count = 0;

  /** A folder that does not exist yet. */
  folder(): string {
    this.#count += 1;
    return path.join(this.path, String(this.#count));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Waits until `condition` holds; only a hang reaches the deadline. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`still not: ${what}`);
    await wait(20);
  }
}
