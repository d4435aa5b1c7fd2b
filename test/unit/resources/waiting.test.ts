import { expect, test } from "vitest";
import { type NotYet, tryUntilDone } from "../../../resources/waiting.ts";

const NOT_YET: NotYet = { message: "Waiting for it", timedOut: (seconds) => new Error(`not after ${seconds} s`) };
const never = (): Promise<NotYet> => Promise.resolve(NOT_YET);
const PATIENT = { timeoutMs: 60_000, signal: undefined, log: () => undefined };

test("is tried until it is done, and answers what was done", async () => {
  let tries = 0;
  const act = (): Promise<{ done: string } | NotYet> => {
    tries += 1;
    return Promise.resolve(tries < 3 ? NOT_YET : { done: "it" });
  };
  expect(await tryUntilDone(PATIENT, act)).toBe("it");
  expect(tries).toBe(3);
});

test("what takes a second is said once, and what takes longer than the limit fails", async () => {
  const said: string[] = [];
  const waiting = {
    ...PATIENT,
    timeoutMs: 1_800,
    longestWaitMs: 50,
    log: (message: string) => void said.push(message),
  };
  await expect(tryUntilDone(waiting, never)).rejects.toThrow("not after 2 s");
  expect(said).toEqual(["Waiting for it"]);
});

test("what is tried for the first time after the limit is tried once", async () => {
  await expect(tryUntilDone({ ...PATIENT, timeoutMs: 0 }, never)).rejects.toThrow("not after 0 s");
  expect(await tryUntilDone({ ...PATIENT, timeoutMs: 0 }, () => Promise.resolve({ done: 1 }))).toBe(1);
});

test("a wait ends with its signal, for the reason that the signal gives", async () => {
  const over = new AbortController();
  const reason = new Error("cancelled");
  const waiting = tryUntilDone({ ...PATIENT, signal: over.signal }, never);
  setImmediate(() => {
    over.abort(reason);
  });
  await expect(waiting).rejects.toBe(reason);
});

test("what is thrown ends the wait", async () => {
  const fault = new Error("no such table");
  await expect(tryUntilDone(PATIENT, () => Promise.reject(fault))).rejects.toBe(fault);
});
