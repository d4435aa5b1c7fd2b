import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Attempt, Target } from "../store.ts";
import { Client } from "./client.ts";
import { openError } from "./errors.ts";
import { createOwnTables, replaceQuarantine } from "./ledger.ts";
import { columnDefinitions } from "./contract.ts";
import { literal, quote } from "../quote.ts";
import { createOwnedFolder } from "../owned_folders.ts";

/** The tables of a side file; with their schema, so that no WITH in a check hides them. */
export const ROWS = `"main"."rows"`;
const QUARANTINE = `"main"."quarantine"`;
/** The name under which the warehouse attaches a side file. */
const ATTACHED = quote("_side_file");

/** Opens the warehouse, waiting for its lock. The store closes it. */
export type OpenWarehouse = (attempt: Attempt) => Promise<Client>;

/** Where staged rows are, and who can read them. */
export interface StagedRelation {
  readonly client: Client;
  readonly relation: string;
}

/** A DuckDB file of its own in which an asset's rows are staged, so that a slow source never locks the warehouse. */
export class SideFile {
  readonly target: Target;
  readonly runId: string;
  readonly #path: string;
  readonly #attempt: Attempt;
  readonly #openWarehouse: OpenWarehouse;
  /** Whether it has a table for quarantined rows. */
  readonly #hasQuarantine: boolean;
  /** Open until the warehouse attaches the file: a file has one process, and one instance in it. */
  #client: Client | undefined;
  /** The warehouse, while the file is attached to it. */
  #warehouse: Client | undefined;

  private constructor(
    path: string,
    client: Client | undefined,
    target: Target,
    attempt: Attempt,
    openWarehouse: OpenWarehouse,
  ) {
    this.#path = path;
    this.#client = client;
    this.#hasQuarantine = client !== undefined;
    this.target = target;
    this.runId = attempt.runId;
    this.#attempt = attempt;
    this.#openWarehouse = openWarehouse;
  }

  static async create(
    stagingDir: string,
    target: Target,
    attempt: Attempt,
    openWarehouse: OpenWarehouse,
  ): Promise<SideFile> {
    const path = fileIn(stagingDir, target, attempt);
    const client = await Client.open(path);
    // Read once and thrown away: to compress it costs more than a third of a copy's time, twice its size costs less.
    await client.run("PRAGMA force_compression = 'uncompressed'");
    await client.run(`CREATE TABLE ${ROWS} (${columnDefinitions(target)})`);
    await client.run(
      `CREATE TABLE ${QUARANTINE} (row_number BIGINT, reason VARCHAR, value VARCHAR, exact VARCHAR, origin VARCHAR)`,
    );
    return new SideFile(path, client, target, attempt, openWarehouse);
  }

  /**
   * Makes a file that is attached to the warehouse from the first: for the rows of a query there, which are to be copied
   * into a table. Out of the transaction that staged them they are read in half the time.
   */
  static async createAttached(
    stagingDir: string,
    target: Target,
    attempt: Attempt,
    warehouse: Client,
  ): Promise<SideFile> {
    const path = fileIn(stagingDir, target, attempt);
    const file = new SideFile(path, undefined, target, attempt, () => Promise.resolve(warehouse));
    await warehouse.run(`ATTACH ${literal(path)} AS ${ATTACHED}`);
    file.#warehouse = warehouse;
    try {
      await warehouse.run(`CREATE TABLE ${ATTACHED}.${ROWS} (${columnDefinitions(target)})`);
      return file;
    } catch (error) {
      await file.remove();
      throw error;
    }
  }

  /** The staged rows, wherever the file is open. */
  get rows(): StagedRelation {
    if (this.#warehouse !== undefined) return { client: this.#warehouse, relation: `${ATTACHED}.${ROWS}` };
    return { client: this.client, relation: ROWS };
  }

  get client(): Client {
    if (this.#client === undefined) throw new TypeError("the side file is attached to the warehouse already");
    return this.#client;
  }

  /** Closes the file and attaches it to the warehouse, which is locked from here on. */
  async attach(): Promise<Client> {
    this.#client?.close();
    this.#client = undefined;
    if (this.#warehouse?.isBroken === false) return this.#warehouse;
    const warehouse = await this.#openWarehouse(this.#attempt);
    await warehouse.run(`ATTACH ${literal(this.#path)} AS ${ATTACHED} (READ_ONLY)`);
    this.#warehouse = warehouse;
    return warehouse;
  }

  /** Copies rows and quarantined rows; inside a transaction of the warehouse. */
  async copyInto(warehouse: Client, stage: string): Promise<void> {
    await warehouse.run(`INSERT INTO ${stage} SELECT * FROM ${ATTACHED}.${ROWS}`);
    await this.copyQuarantine(warehouse);
  }

  /** Copies quarantined rows only; inside a transaction of the warehouse. */
  async copyQuarantine(warehouse: Client): Promise<void> {
    if (!this.#hasQuarantine) return;
    await createOwnTables(warehouse);
    await replaceQuarantine(warehouse, this.target, this.#attempt, `${ATTACHED}.${QUARANTINE}`);
  }

  /** Keeps the quarantined rows of an attempt that publishes nothing, for people to look at; outside of a transaction. */
  async keepQuarantine(): Promise<void> {
    if (!this.#hasQuarantine || this.#attempt.replay !== undefined) return;
    if (this.#client !== undefined && (await count(this.#client, QUARANTINE)) === 0n) return;
    // Without either, the warehouse could not be opened, and that is the fault to tell of.
    if (this.#client === undefined && this.#warehouse === undefined) return;
    const warehouse = await this.attach();
    if ((await count(warehouse, `${ATTACHED}.${QUARANTINE}`)) === 0n) return;
    await warehouse.transaction(() => this.copyQuarantine(warehouse));
  }

  /** Removes the file, outside of a transaction. */
  async remove(): Promise<void> {
    try {
      this.#client?.close();
      if (this.#warehouse?.isBroken === false) await this.#warehouse.run(`DETACH ${ATTACHED}`);
    } finally {
      this.#client = undefined;
      this.#warehouse = undefined;
      rmSync(dirname(this.#path), { recursive: true, force: true });
    }
  }
}

/** The path of a new file in a folder of its own. */
function fileIn(stagingDir: string, target: Target, attempt: Attempt): string {
  try {
    return join(createOwnedFolder(stagingDir, target.assetKey, attempt.runId), "rows.duckdb");
  } catch (error) {
    throw openError(stagingDir, error);
  }
}

async function count(client: Client, table: string): Promise<bigint> {
  const { rows } = await client.text(`SELECT count(*) FROM ${table}`);
  return BigInt(rows[0]?.[0] ?? 0);
}

/** Writes what is read once and removed: compressing it would take longer than reading and writing it does. */
export async function withoutCompression(client: Client, act: () => Promise<void>): Promise<void> {
  await client.run("SET force_compression = 'uncompressed'");
  try {
    await act();
  } finally {
    await client.run("SET force_compression = 'auto'");
  }
}
