import { createHash, randomBytes } from "node:crypto";
import { type ProcessIdentity, thisProcess, tryGetAlive } from "../process_identity.ts";
import { assetHash } from "./quote.ts";

/** Stands between the parts of a name. */
const SEPARATOR = "~";
/** A name becomes a file name, in which each special character takes three bytes. */
const MAX_RUN_ID_LENGTH = 48;

/**
 * - `stage`: staged rows
 * - `build`: what the table, or the view that people read, is about to be
 * - `inner`: the rows of an incremental view
 * - `feed`: adds the rows of each insert to the `inner` table of the same name
 * - `cut`: the rows of a source that a feed did not get
 */
export type OwnKind = "stage" | "build" | "inner" | "feed" | "cut";

const KINDS: ReadonlySet<string> = new Set<OwnKind>(["stage", "build", "inner", "feed", "cut"]);

/** Who made a table of the runtime's own. */
export interface Owner {
  readonly runId: string;
  readonly process: ProcessIdentity;
}

/**
 * A name for a table of this process, never used before. It says whose the table is: so no moment exists at which the
 * table has no owner, and after an exchange the old rows, which take over the name, have one too.
 */
export function ownName(kind: OwnKind, assetKey: string, runId: string): string {
  const run = encodeURIComponent(runId).replaceAll(SEPARATOR, "%7E");
  const short = run.length <= MAX_RUN_ID_LENGTH ? run : createHash("sha256").update(runId).digest("hex").slice(0, 32);
  return [prefix(kind, assetKey), short, thisProcess(), randomBytes(4).toString("hex")].join(SEPARATOR);
}

/**
 * The UUID with which the table of such a name is made, so that a line about it can be written before the server is asked.
 * A table that is exchanged keeps its UUID, and takes another name.
 */
export function uuidOf(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  // Version 8: of our own making. https://www.rfc-editor.org/rfc/rfc9562#section-5.8
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) % 4] ?? "8";
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}

/** The same name with another kind. */
export function siblingOf(name: string, kind: OwnKind): string {
  return `_${kind}${name.slice(name.indexOf(SEPARATOR))}`;
}

/** The owner of a table; `undefined` when it is none of the kinds above. */
export function tryGetOwner(
  name: string,
): (Owner & { readonly kind: OwnKind; readonly assetHash: string }) | undefined {
  const [kind = "", hash, run, process, random] = name.split(SEPARATOR);
  if (!kind.startsWith("_") || !KINDS.has(kind.slice(1)) || hash === undefined) return undefined;
  if (run === undefined || process === undefined || random === undefined) return undefined;
  return { kind: kind.slice(1) as OwnKind, runId: decodeURIComponent(run), process, assetHash: hash };
}

/** Whether the owner is at work; of a process on another machine only the orchestrator can tell. */
export function isAlive({ process, runId }: Owner, isOpen: (runId: string) => boolean): boolean {
  return tryGetAlive(process) ?? isOpen(runId);
}

function prefix(kind: OwnKind, assetKey: string): string {
  return `_${kind}${SEPARATOR}${assetHash(assetKey)}`;
}
