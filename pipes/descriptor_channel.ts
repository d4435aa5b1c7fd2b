import { closeSync, openSync, writeSync } from "node:fs";

import type { SyncMessageChannel } from "./channel.ts";
import { PipesDeliveryError } from "./errors.ts";

/** How long to wait before trying again when a pipe is full. */
const FULL_PIPE_WAIT_MS = 2;

/** Appends messages to a file, each line with its newline in one write. */
export function openFileChannel(path: string): SyncMessageChannel {
  let descriptor: number;
  try {
    descriptor = openSync(path, "a");
  } catch (cause) {
    throw new PipesDeliveryError(`The messages file ${path} cannot be opened. Does Dagster run on this machine?`, {
      cause,
    });
  }
  const writer = new DescriptorWriter(descriptor, `the messages file ${path}`);
  return {
    mode: "sync",
    write(line) {
      writer.write(`${line}\n`);
    },
    close() {
      closeSync(descriptor);
    },
  };
}

/** Writes whole lines to a file descriptor, synchronously. */
export class DescriptorWriter {
  readonly #descriptor: number;
  readonly #place: string;
  #unwritten: Buffer = Buffer.alloc(0);

  constructor(descriptor: number, place: string) {
    this.#descriptor = descriptor;
    this.#place = place;
  }

  /** @param text ASCII, ending with a newline. */
  write(text: string): void {
    // After a write that failed half-way (a full disk) the rest of that line must come first.
    const isTorn = this.#unwritten.length > 0;
    const bytes = Buffer.from(text, "latin1");
    if (isTorn) this.#drain();
    this.#unwritten = bytes;
    try {
      this.#drain();
    } finally {
      // Nothing of it was written, and the caller learns of that: it must not turn up later.
      if (this.#unwritten.length === bytes.length) this.#unwritten = Buffer.alloc(0);
    }
  }

  #drain(): void {
    while (this.#unwritten.length > 0) {
      try {
        const written = writeSync(this.#descriptor, this.#unwritten);
        this.#unwritten = this.#unwritten.subarray(written);
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code;
        if (code === "EINTR") continue;
        if (code !== "EAGAIN" && code !== "EWOULDBLOCK") {
          throw new PipesDeliveryError(`A message could not be written to ${this.#place}.`, { cause });
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
      }
    }
  }
}
