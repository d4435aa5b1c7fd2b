import type { SyncMessageChannel } from "./channel.ts";
import { DescriptorWriter } from "./descriptor_channel.ts";
import type { PipesStream } from "./protocol.ts";
import { tapStream } from "./stream_tap.ts";

const DESCRIPTORS: Readonly<Record<PipesStream, number>> = { stdout: 1, stderr: 2 };

/**
 * Writes messages to a standard stream, among whatever else the program prints there. When the
 * program is in the middle of a line (a progress bar), the message begins on a new one.
 */
export function openStdioChannel(stream: PipesStream): SyncMessageChannel {
  const writer = new DescriptorWriter(DESCRIPTORS[stream], stream);
  let isMidLine = false;
  const untap = tapStream(stream, (text) => {
    if (text !== "") isMidLine = !text.endsWith("\n");
  });
  return {
    mode: "sync",
    write(line) {
      writer.write(isMidLine ? `\n${line}\n` : `${line}\n`);
      isMidLine = false;
    },
    close() {
      untap();
    },
  };
}

/** Like {@link openStdioChannel}, but keeps all messages until the context is closed. */
export function openBufferedStdioChannel(stream: PipesStream): SyncMessageChannel {
  const channel = openStdioChannel(stream);
  let lines: string[] = [];
  return {
    mode: "sync",
    write(line) {
      lines.push(line);
    },
    close() {
      const kept = lines;
      lines = [];
      for (const line of kept) channel.write(line);
      channel.close();
    },
  };
}
