import { randomBytes } from "node:crypto";
import { accessSync, constants, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { thisProcess, tryGetAlive } from "../../resources/process_identity.ts";
import { EngineFault } from "./engine_fault.ts";

/** How long the engine of a killed command is given to end. A little more than its guard gives it. */
const PATIENCE_MS = 30_000;

interface Claim {
  /** The process that started the engine. */
  readonly starter: string;
  /** The process that ends the engine when the starter is gone; absent until it runs. */
  readonly guardPid?: number;
}

/** The folder of one engine, claimed by this process. */
export interface DataFolder {
  readonly path: string;
  readonly password: string;
  readonly logFile: string;
  /** Makes later starts wait for the end of this guard. */
  readonly setGuard: (pid: number) => void;
  readonly release: () => void;
}

/**
 * Makes the folder where it is missing and claims it.
 * @throws {EngineFault} `data_folder_not_writable`, `data_folder_in_use`
 */
async function claimDataFolder(dataDir: string): Promise<DataFolder> {
  const folder = path.resolve(dataDir);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new EngineFault(
      "data_folder_not_writable",
      `The engine's data folder ${folder} cannot be written: ${String(error)}. Give it to this user, or name another one.`,
      { cause: error },
    );
  }
  const file = path.join(folder, "in_use.json");
  await take(folder, file);
  try {
    return {
      path: folder,
      password: keepPassword(path.join(folder, "password")),
      logFile: path.join(folder, "log"),
      setGuard: (guardPid) => {
        renameSync(writeClaim(file, { starter: thisProcess(), guardPid }), file);
      },
      release: () => {
        rmSync(file, { force: true });
      },
    };
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}

/** Claims the folder for an engine that `start` starts; gives it back when that fails. */
export async function withDataFolder<T>(dataDir: string, start: (folder: DataFolder) => Promise<T>): Promise<T> {
  const folder = await claimDataFolder(dataDir);
  try {
    return await start(folder);
  } catch (error) {
    folder.release();
    throw error;
  }
}

async function take(folder: string, file: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const mine = writeClaim(file, { starter: thisProcess() });
    try {
      linkSync(mine, file);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    } finally {
      rmSync(mine);
    }
    const claim = tryReadClaim(file);
    if (claim !== undefined && tryGetAlive(claim.starter) === true) {
      const pid = claim.starter.split(".")[3] ?? "?";
      throw new EngineFault(
        "data_folder_in_use",
        `An engine already runs on ${folder}, started by process ${pid}. Stop it, or name another folder.`,
      );
    }
    // Its starter was killed: the guard is ending the engine, which needs the folder until then.
    if (claim?.guardPid === undefined || !isAlive(claim.guardPid) || performance.now() > deadline) {
      rmSync(file, { force: true });
    } else {
      await wait(50);
    }
  }
}

/** Under another name first: nobody ever reads half a claim. */
function writeClaim(file: string, claim: Claim): string {
  const mine = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(mine, JSON.stringify(claim), { mode: 0o600 });
  return mine;
}

function tryReadClaim(file: string): Claim | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Claim;
  } catch {
    return undefined; // gone meanwhile
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Random, made once per folder: the engine knows only this one. */
function keepPassword(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    const password = randomBytes(18).toString("base64url");
    writeFileSync(file, password, { mode: 0o600 });
    return password;
  }
}
