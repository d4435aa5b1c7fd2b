import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { afterEach, expect, test } from "vitest";

type Command = ChildProcessByStdio<Writable, Readable, Readable>;

const started: Command[] = [];
afterEach(() => {
  for (const command of started.splice(0)) command.kill("SIGKILL");
});

function start(...args: readonly string[]): Command {
  const command = spawn(process.execPath, ["resources/pos_api/main.ts", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  started.push(command);
  return command;
}

async function urlOf(command: Command): Promise<string> {
  for await (const line of createInterface({ input: command.stdout })) return (JSON.parse(line) as { url: string }).url;
  throw new Error("the server ended without an address");
}

async function endOf(command: Command): Promise<[number | null, NodeJS.Signals | null]> {
  return (await once(command, "exit")) as [number | null, NodeJS.Signals | null];
}

test.each(["SIGINT", "SIGTERM"] as const)(
  "it says where it listens, and %s ends it with exit code 0",
  async (signal) => {
    const command = start("--port", "0");
    const url = await urlOf(command);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${url}/v1/health`)).status).toBe(200);
    command.kill(signal);
    expect(await endOf(command)).toEqual([0, null]);
  },
);

test("with --watch-stdin it ends when the process that started it goes away", async () => {
  const command = start("--port", "0", "--watch-stdin");
  await urlOf(command);
  command.stdin.end();
  expect(await endOf(command)).toEqual([0, null]);
});

test("without --watch-stdin the end of standard input means nothing", async () => {
  const command = start("--port", "0");
  command.stdin.end();
  const url = await urlOf(command);
  expect((await fetch(`${url}/v1/health`)).status).toBe(200);
  command.kill("SIGTERM");
  await endOf(command);
});

test.each([
  [["--port", "x"], 2, "--port is not a port"],
  [["--now", "noon"], 1, "--now is not a time"],
  [["--data", "no_such.parquet"], 1, "no_such.parquet"],
  [["--prot", "1"], 1, "--prot"],
] as const)("%j: exit code %i and the reason", async (args, code, reason) => {
  const command = start(...args);
  let text = "";
  command.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  expect(await endOf(command)).toEqual([code, null]);
  expect(text).toContain(reason);
});

test("a port that is taken is an error", async () => {
  const first = start("--port", "0");
  const { port } = new URL(await urlOf(first));
  const second = start("--port", port);
  let text = "";
  second.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  expect(await endOf(second)).toEqual([1, null]);
  expect(text).toContain(`EADDRINUSE`);
  first.kill("SIGTERM");
  await endOf(first);
});
