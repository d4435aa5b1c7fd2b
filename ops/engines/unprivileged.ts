import { spawnSync } from "node:child_process";
import { chownSync, statSync } from "node:fs";
import { EngineFault } from "./engine_fault.ts";

/** How to run a program that refuses to be root. */
export interface Unprivileged {
  readonly wrap: (command: readonly [string, ...string[]]) => readonly [string, ...string[]];
  /** Gives a file or folder to the user that the program runs as. */
  readonly giveAway: (file: string) => void;
}

/** On every Unix, and nobody's login. */
const USER = "nobody";

/**
 * PostgreSQL and PgBouncer do not run as root. Where we are not root they run as we do; where we are, as `nobody`, or
 * as the owner of `folder` if that is another user already.
 *
 * The checkout of root often lies where no other user may look (`/root`, a temporary folder). Then the program gets
 * the capability to pass through folders in addition, and nothing else of root.
 * @param program must be executable
 * @param folder must be writable
 * @throws {EngineFault} `data_folder_not_writable` when there is no way
 */
export function unprivileged(program: string, folder: string): Unprivileged {
  if (process.getuid?.() !== 0) {
    return {
      wrap: (command) => command,
      giveAway: () => {
        // It is ours already.
      },
    };
  }
  const { uid, gid } = ownerOrNobody(folder);
  const giveAway = (file: string): void => {
    chownSync(file, uid, gid);
  };
  giveAway(folder);
  const asUser = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"] as const;
  const ways = [
    [...asUser, "--"],
    [...asUser, "--inh-caps=+dac_read_search,+dac_override", "--ambient-caps=+dac_read_search,+dac_override", "--"],
  ] as const;
  const way = ways.find(([setpriv, ...args]) => {
    const isFine = ["-c", 'test -x "$0" && test -w "$1" && test -x "$1"', program, folder];
    return spawnSync(setpriv, [...args, "sh", ...isFine]).status === 0;
  });
  if (way === undefined) {
    throw new EngineFault(
      "data_folder_not_writable",
      `This engine does not run as root, and the user ${USER} (${uid}) cannot reach ${program} or ${folder}. ` +
        "Start it as an ordinary user, or put the checkout and the data folder where every user may look (chmod o+x).",
    );
  }
  return { wrap: (command) => [...way, ...command], giveAway };
}

function ownerOrNobody(folder: string): { uid: number; gid: number } {
  const owner = statSync(folder);
  if (owner.uid !== 0) return owner;
  const id = (flag: string): number => Number(spawnSync("id", [flag, USER], { encoding: "utf8" }).stdout.trim());
  return { uid: id("-u"), gid: id("-g") };
}
