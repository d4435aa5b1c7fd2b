import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import path from "node:path";
import { clearInterval, setInterval } from "node:timers";
import { reasonOf, SetUpFault } from "./fault.mjs";

const TAIL_LINES = 15;
const PLAIN_INTERVAL_SECONDS = 15;

/** Prints one line about set-up. Standard error, so that the command's own output stays clean. */
export function say(text) {
  process.stderr.write(`[set-up] ${text}\n`);
}

/**
 * Runs one command of set-up: shows progress, keeps its output in `.state/logs/set_up.log`.
 * @param {string} root the checkout
 * @param {string} title what a person calls this step
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env] default: ours
 * @throws {SetUpFault} with the end of the output when the command fails
 */
export async function step(root, title, command, args, env = process.env) {
  const logFile = path.join(root, ".state/logs/set_up.log");
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile, { flags: "a" });
  log.on("error", () => {}); // on a full disk the message matters, not the log
  log.write(`\n$ ${[command, ...args].join(" ")}\n`);

  const progress = startProgress(title);
  let output = "";
  const keep = (chunk) => {
    output = (output + String(chunk)).slice(-100_000);
    log.write(chunk);
  };
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  // When set-up is stopped, the installer must not go on alone.
  const stop = () => child.kill("SIGTERM");
  process.once("exit", stop);
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const code = await new Promise((resolve) => {
    child.on("error", (error) => {
      keep(`${error.message}\n`);
      resolve(127);
    });
    child.on("close", (status, signal) => resolve(status ?? signal));
  });
  process.off("exit", stop);
  log.end();
  progress.end(code === 0);
  if (code === 0) return;

  const reason = reasonOf(output);
  const tail = output.trimEnd().split("\n").slice(-TAIL_LINES).join("\n    ");
  throw new SetUpFault(
    reason.code,
    [`${title}: \`${path.basename(command)} ${args.join(" ")}\` ended with ${code}.`, reason.advice, `    ${tail}`]
      .filter((line) => line !== "")
      .concat(`All of its output: ${path.relative(root, logFile)}`)
      .join("\n"),
  );
}

function startProgress(title) {
  const start = Date.now();
  const seconds = () => Math.round((Date.now() - start) / 1000);
  const isTerminal = process.stderr.isTTY === true;
  if (isTerminal) process.stderr.write(`[set-up] ${title} …`);
  else say(`${title} …`);
  const timer = setInterval(
    () => {
      if (isTerminal) process.stderr.write(`\r[set-up] ${title} … ${seconds()} s`);
      else say(`${title} … ${seconds()} s`);
    },
    isTerminal ? 1000 : PLAIN_INTERVAL_SECONDS * 1000,
  );
  return {
    end(isOk) {
      clearInterval(timer);
      if (isTerminal) process.stderr.write("\r");
      say(`${title}: ${isOk ? "done" : "failed"}, ${seconds()} s`);
    },
  };
}
