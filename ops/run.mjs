// `npm start`, `npm test` and friends: sets the checkout up, then runs `ops/<command>.ts` with the pinned Node.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { nodeOf, setUp, SetUpFault } from "./setup.mjs";

const root = path.resolve(fileURLToPath(new URL("..", import.meta.url)));
const [command = "", ...args] = process.argv.slice(2);
const script = path.join(root, "ops", `${command}.ts`);

process.exitCode = await main();

async function main() {
  if (!/^[a-z]+$/.test(command) || !existsSync(script)) {
    console.error(`ops/run.mjs: no command "${command}". See "scripts" in package.json.`);
    return 2;
  }
  // Until the command runs, an interrupt ends set-up by `exit`, which stops the installer and frees the lock.
  const interrupted = {
    SIGINT: () => process.exit(130),
    SIGTERM: () => process.exit(143),
    SIGHUP: () => process.exit(129),
  };
  for (const [signal, handler] of Object.entries(interrupted)) process.on(signal, handler);
  try {
    await setUp({ root, withTestTools: command !== "start" });
  } catch (error) {
    if (!(error instanceof SetUpFault)) throw error;
    console.error(`[set-up] stopped (${error.code}): ${error.message}`);
    return 1;
  }
  for (const [signal, handler] of Object.entries(interrupted)) process.off(signal, handler);
  return await runCommand();
}

function runCommand() {
  const bins = [path.join(root, "node_modules/.bin"), path.join(root, ".venv/bin")];
  const child = spawn(nodeOf(root), [script, ...args], {
    cwd: root,
    // The channel carries no messages: its end tells the command that we were killed, so that nothing is left behind.
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: {
      ...process.env,
      PATH: [...bins, process.env["PATH"]].join(path.delimiter),
      VIRTUAL_ENV: path.join(root, ".venv"),
    },
  });
  // Ctrl-C reaches the whole terminal group, the command included; other senders name only us.
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  process.on("SIGHUP", () => child.kill("SIGTERM"));
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`ops/run.mjs: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
