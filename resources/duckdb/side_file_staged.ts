import type { Check } from "../../definitions/check.ts";
import { readsOtherTables, runChecks } from "../checks.ts";
import type { CheckContext, CheckOutcome, LedgerEntry, Staged, StagedFacts } from "../store.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import { stagedFacts } from "./inspect.ts";
import { withLimitedMemory } from "./memory.ts";
import { WarehouseStaged } from "./publish.ts";
import type { SideFile } from "./side_file.ts";
import { keepsTable } from "./write.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const COPY_MEMORY = "128MB";

/** Rows in a side file: checked there, mostly without any lock, then moved into the warehouse to be published. */
export class SideFileStaged implements Staged {
  readonly statement: string | null;
  readonly #file: SideFile;
  #moved: WarehouseStaged | undefined;

  constructor(file: SideFile, statement: string | null) {
    this.#file = file;
    this.statement = statement;
  }

  get isSpoilt(): boolean {
    return this.#moved?.isSpoilt ?? false;
  }

  async check(checks: readonly Check[], context?: CheckContext): Promise<readonly CheckOutcome[]> {
    const alone = checks.filter((check) => !readsOtherTables(check));
    const { client, relation } = this.#file.rows;
    const { columns, buckets } = this.#file.target;
    const outcomes = await runChecks(client, DUCKDB_CHECKS, { columns, relation, buckets }, alone, context);
    const others = checks.filter(readsOtherTables);
    if (others.length > 0) outcomes.push(...(await (await this.#move()).check(others, context)));
    return checks.map((check) => outcomes.find((outcome) => outcome.check === check) as CheckOutcome);
  }

  async facts(): Promise<StagedFacts> {
    if (this.#moved !== undefined) return await this.#moved.facts();
    const { client, relation } = this.#file.rows;
    return await withLimitedMemory(client, COPY_MEMORY, () => stagedFacts(client, this.#file.target, relation));
  }

  async publish(entry: LedgerEntry): Promise<LedgerEntry> {
    const staged = await this.#move();
    const standing = await staged.publish(entry);
    await this.#file.remove();
    return standing;
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

  /** Begins the transaction that publishes, once: the rows are copied into it where they are to be the table. */
  async #move(): Promise<WarehouseStaged> {
    this.#moved ??= await this.#begin();
    return this.#moved;
  }

  async #begin(): Promise<WarehouseStaged> {
    const file = this.#file;
    const { statement } = this;
    const warehouse = await file.attach();
    if (await keepsTable(warehouse, file.target)) {
      const options = { stage: file.rows.relation, statement };
      return await WarehouseStaged.over(warehouse, file.target, options, () => file.copyQuarantine(warehouse));
    }
    const options = { runId: file.runId, statement };
    return await withLimitedMemory(warehouse, COPY_MEMORY, () =>
      WarehouseStaged.begin(warehouse, file.target, options, (stage) => file.copyInto(warehouse, stage)),
    );
  }
}
