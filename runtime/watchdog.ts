import { Worker } from "node:worker_threads";

/**
 * Runs in a thread of its own, so that it notices the end of standard input while the main thread is busy. Plain
 * JavaScript in a string: a worker that has nothing to load starts soonest.
 */
const CODE = `
const { Socket } = require("node:net");
const end = () => process.kill(process.pid, "SIGKILL");
new Socket({ fd: 0, readable: true, writable: false }).on("end", end).on("close", end).on("error", end).resume();
`;

/**
 * Ends this process when whoever launched it is gone: then nobody holds the other end of standard input. Nothing is
 * lost by it, since a publish is one transaction and nobody is left to report to.
 */
export function startWatchdog(): void {
  const worker = new Worker(CODE, { eval: true, stdin: false });
  worker.unref();
}
