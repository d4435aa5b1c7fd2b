import type { AsyncMessageChannel } from "./channel.ts";
import { PipesDeliveryError } from "./errors.ts";

/** How message chunks reach an object store. */
export interface BlobChannelOptions {
  /**
   * Stores chunk `index`, counted from 1. Must be idempotent: a chunk whose upload failed is
   * uploaded again, with the same text.
   */
  readonly upload: (text: string, index: number) => Promise<void>;
  /** How long lines are gathered before they are uploaded. @default 10_000 */
  readonly intervalMs?: number | undefined;
  /** How often the last chunks are tried when the context is closed. @default 5 */
  readonly closeAttempts?: number | undefined;
  /** The wait before the second try at closing; it doubles each time. @default 500 */
  readonly retryWaitMs?: number | undefined;
}

interface Chunk {
  readonly index: number;
  readonly text: string;
}

/**
 * Gathers messages and uploads them as numbered chunks. The reader takes chunk after chunk and
 * stops at the first number that is missing, so a number is used up only by a stored chunk.
 */
export function openBlobChannel(options: BlobChannelOptions): AsyncMessageChannel {
  return new BlobChannel(options);
}

class BlobChannel implements AsyncMessageChannel {
  readonly mode = "async";
  readonly #options: BlobChannelOptions;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];
  #stored = 0;
  /** Cut, and perhaps stored although the answer was an error: it must not change any more. */
  #chunk: Chunk | undefined;
  #uploading: Promise<void> | undefined;

  constructor(options: BlobChannelOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      // A failure here is tried again at the next tick; only the last ones count.
      this.#flush().catch(() => undefined);
    }, options.intervalMs ?? 10_000);
    // A program that has nothing left to do must be able to end, and be caught doing so.
    this.#timer.unref();
  }

  write(line: string): void {
    this.#lines.push(line);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const attempts = this.#options.closeAttempts ?? 5;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#flush();
        if (this.#chunk === undefined && this.#lines.length === 0) return;
        attempt -= 1;
      } catch (cause) {
        if (attempt >= attempts) {
          throw new PipesDeliveryError(`The last messages could not be stored in ${attempts} attempts.`, { cause });
        }
        const waitMs = (this.#options.retryWaitMs ?? 500) * 2 ** (attempt - 1);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  /** One upload at a time, in order. */
  #flush(): Promise<void> {
    this.#uploading ??= this.#uploadNext().finally(() => {
      this.#uploading = undefined;
    });
    return this.#uploading;
  }

  async #uploadNext(): Promise<void> {
    if (this.#chunk === undefined) {
      if (this.#lines.length === 0) return;
      this.#chunk = { index: this.#stored + 1, text: this.#lines.splice(0).join("\n") };
    }
    await this.#options.upload(this.#chunk.text, this.#chunk.index);
    this.#stored = this.#chunk.index;
    this.#chunk = undefined;
  }
}
