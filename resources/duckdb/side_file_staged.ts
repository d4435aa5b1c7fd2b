import type { Check } from "../../definitions/check.ts";
import { readsOtherTables, runChecks } from "../checks.ts";
import type { CheckOutcome, LedgerEntry, Staged, StagedFacts } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import { stagedFacts } from "./inspect.ts";
import { withLimitedMemory } from "./memory.ts";
import { WarehouseStaged } from "./publish.ts";
import { ROWS, type SideFile } from "./side_file.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const COPY_MEMORY = "128MB";

/** Rows in a side file: checked there without any lock, then moved into the warehouse to be published. */
export class SideFileStaged implements Staged {
  readonly statement: string | null;
  readonly #file: SideFile;
  #moved: WarehouseStaged | undefined;

  constructor(file: SideFile, statement: string | null) {
    this.#file = file;
    this.statement = statement;
  }

  async check(checks: readonly Check[]): Promise<readonly CheckOutcome[]> {
    const alone = checks.filter((check) => !readsOtherTables(check));
    const outcomes = await runChecks(
      this.#file.client,
      DUCKDB_CHECKS,
      { columns: this.#file.target.columns, relation: ROWS, buckets: this.#file.target.buckets },
      alone,
    );
    const others = checks.filter(readsOtherTables);
    if (others.length > 0) outcomes.push(...(await (await this.#move()).check(others)));
    return checks.map((check) => outcomes.find((outcome) => outcome.check === check) as CheckOutcome);
  }

  async facts(): Promise<StagedFacts> {
    if (this.#moved !== undefined) return await this.#moved.facts();
    return await stagedFacts(this.#file.client, this.#file.target, ROWS);
  }

  async publish(entry: LedgerEntry): Promise<void> {
    const staged = await this.#move();
    await staged.publish(entry);
    await this.#file.remove();
  }

  async discard(): Promise<void> {
    try {
      // What was copied goes with the transaction, the quarantined rows too: they are copied once more.
      await this.#moved?.discard();
      await this.#file.keepQuarantine();
    } finally {
      await this.#file.remove();
    }
  }

  /** Copies the rows into a transaction of the warehouse, once. */
  async #move(): Promise<WarehouseStaged> {
    if (this.#moved === undefined) {
      const warehouse = await this.#file.attach();
      const options = { runId: this.#file.runId, statement: this.statement };
      const begin = (): Promise<WarehouseStaged> =>
        WarehouseStaged.begin(warehouse, this.#file.target, options, (stage) => this.#file.copyInto(warehouse, stage));
      this.#moved = await withLimitedMemory(warehouse, COPY_MEMORY, begin);
    }
    return this.#moved;
  }
}
