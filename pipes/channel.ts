import type { PipesParams } from "./protocol.ts";

/** Takes messages to the orchestration process and is done with each before `write` returns. */
export interface SyncMessageChannel {
  readonly mode: "sync";
  /** Takes one message: a line of ASCII without its newline. */
  write(line: string): void;
  /** Delivers what is buffered and frees what is held. */
  close(): void;
}

/** Takes messages at once and delivers them later, such as to an object store. */
export interface AsyncMessageChannel {
  readonly mode: "async";
  /** Takes one message: a line of ASCII without its newline. */
  write(line: string): void;
  /** Resolves when everything has been delivered. */
  close(): Promise<void>;
}

/** A way for messages to the orchestration process. */
export type PipesMessageChannel = SyncMessageChannel | AsyncMessageChannel;

/** Opens the channel that the message reader of the orchestration process asked for. */
export interface PipesMessageWriter<Channel extends PipesMessageChannel = PipesMessageChannel> {
  /** @throws PipesBootstrapError when the parameters are meant for another writer. */
  open(params: PipesParams): Channel;
  /** What the `opened` message tells the reader. */
  openedExtras?(): Readonly<Record<string, unknown>>;
}

/** Loads the context from where the orchestration process put it; a promise needs `openPipesAsync`. */
export interface PipesContextLoader {
  /**
   * @returns the context as parsed JSON.
   * @throws PipesBootstrapError when the parameters are meant for another loader.
   */
  loadContext(params: PipesParams): unknown;
}
