import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { openBlobChannel, PipesDeliveryError } from "../../../pipes/index.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function store(failures: (call: number) => boolean = () => false) {
  const chunks = new Map<number, string>();
  let calls = 0;
  const upload = (text: string, index: number): Promise<void> => {
    calls += 1;
    // The worst kind of failure: it was stored, and the answer is an error.
    chunks.set(index, text);
    return failures(calls) ? Promise.reject(new Error("503")) : Promise.resolve();
  };
  return { chunks, upload };
}

it("chunks are numbered from 1, every ten seconds, without gaps or trailing newlines", async () => {
  const { chunks, upload } = store();
  const channel = openBlobChannel({ upload });
  channel.write("a");
  channel.write("b");
  await vi.advanceTimersByTimeAsync(9_999);
  expect(chunks.size).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect([...chunks]).toEqual([[1, "a\nb"]]);
  await vi.advanceTimersByTimeAsync(50_000);
  expect(chunks.size).toBe(1);
  channel.write("c");
  await channel.close();
  expect([...chunks]).toEqual([
    [1, "a\nb"],
    [2, "c"],
  ]);
});

it("a failed chunk is stored again under its number with the same lines, never with more", async () => {
  const { chunks, upload } = store((call) => call === 1);
  const channel = openBlobChannel({ upload });
  channel.write("a");
  await vi.advanceTimersByTimeAsync(10_000);
  channel.write("b");
  await vi.advanceTimersByTimeAsync(20_000);
  expect([...chunks]).toEqual([
    [1, "a"],
    [2, "b"],
  ]);
  await channel.close();
});

it("closing tries again with growing waits and then says that messages are lost", async () => {
  const passing = store((call) => call < 3);
  const closing = openBlobChannel({ upload: passing.upload });
  closing.write("a");
  const closed = closing.close();
  await vi.advanceTimersByTimeAsync(500 + 1_000);
  await closed;

  const failing = openBlobChannel({ upload: store(() => true).upload, closeAttempts: 2 });
  failing.write("a");
  const lost = expect(failing.close()).rejects.toThrow(PipesDeliveryError);
  await vi.advanceTimersByTimeAsync(500);
  await lost;
});

it("lines that arrive while a chunk is stored are in the next one", async () => {
  let finish = (): void => undefined;
  const chunks: string[] = [];
  const channel = openBlobChannel({
    upload: (text) => {
      chunks.push(text);
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
  });
  channel.write("a");
  await vi.advanceTimersByTimeAsync(10_000);
  channel.write("b");
  const closed = channel.close();
  finish();
  await vi.advanceTimersByTimeAsync(0);
  finish();
  await closed;
  expect(chunks).toEqual(["a", "b"]);
});
