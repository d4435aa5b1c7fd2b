import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

const BYTES = 1_000_000;
const SCRIPT = `
  import { endProcess } from "./runtime/end_process.ts";
  setInterval(() => undefined, 1_000);
  process.stderr.write("x".repeat(${BYTES}));
  process.stdout.write("all is written");
  endProcess(3);`;

test("what was printed arrives though its reader is behind, and a timer keeps no process alive", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", SCRIPT], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  // The process is done, and has nothing to wait for but its reader.
  await once(child.stdout, "data");
  let read = 0;
  child.stderr.on("data", (piece: Buffer) => (read += piece.length));
  expect(await ended).toEqual([3, null]);
  expect(read).toBe(BYTES);
});
