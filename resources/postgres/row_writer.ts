import type { Attempt, QuarantinedRow, RowWriter, Staged, Target } from "../store.ts";
import type { Connections } from "./connections.ts";
import { columnDefinitions } from "./contract.ts";
import { CopyTable } from "./copy_table.ts";
import { StagedInTable } from "./publish.ts";
import { COPY_NULL, copyText, toCopyText } from "./types.ts";
import { expectsSwap } from "./write.ts";

const QUARANTINE_COLUMNS = "row_number bigint, reason text, value text, exact text, origin text";

/** Writes validated rows into a staging table. */
export class PostgresRowWriter implements RowWriter {
  readonly #connections: Connections;
  readonly #target: Target;
  readonly #attempt: Attempt;
  readonly #rows: CopyTable;
  readonly #columns: readonly { readonly name: string; readonly convert: (value: never) => string }[];
  #quarantined: string[] = [];

  private constructor(connections: Connections, target: Target, attempt: Attempt, rows: CopyTable) {
    this.#connections = connections;
    this.#target = target;
    this.#attempt = attempt;
    this.#rows = rows;
    this.#columns = target.columns.map((column) => ({ name: column.name, convert: toCopyText(column) }));
  }

  static async create(connections: Connections, target: Target, attempt: Attempt): Promise<PostgresRowWriter> {
    const { runId, signal } = attempt;
    const isLasting = await connections.transaction({ assetKey: target.assetKey, runId, signal }, (client) =>
      expectsSwap(client, target),
    );
    const options = { columns: columnDefinitions(target), isLasting };
    return new PostgresRowWriter(
      connections,
      target,
      attempt,
      await CopyTable.create(connections, target, attempt, options),
    );
  }

  async append(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const columns = this.#columns;
    let lines = "";
    for (const row of rows) {
      let separator = "";
      for (const { name, convert } of columns) {
        const value = row[name];
        lines += separator + (value === null || value === undefined ? COPY_NULL : convert(value as never));
        separator = "\t";
      }
      lines += "\n";
    }
    await this.#rows.add(lines);
  }

  quarantine({ rowNumber, reason, value, exact = null, origin = null }: QuarantinedRow): void {
    // A reason may quote a value with the very character for which it is here.
    const [why, what] = [reason, value].map((text) => copyText(text.replaceAll("\0", "\\0"), "quarantine"));
    const more = [exact, origin].map((text) => (text === null ? COPY_NULL : copyText(text, "quarantine")));
    this.#quarantined.push(`${[rowNumber, why ?? "", what ?? "", ...more].join("\t")}\n`);
  }

  async finish(): Promise<Staged> {
    try {
      const rowCount = await this.#rows.flush();
      return this.#staged({ rowCount, quarantine: await this.#stageQuarantine() });
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  async fail(): Promise<void> {
    await this.#staged({ rowCount: 0n, quarantine: await this.#stageQuarantine() }).discard();
  }

  async discard(): Promise<void> {
    // What is being sent ends first: it would hold the table.
    await this.#rows.flush().catch(() => undefined);
    await this.#staged({ rowCount: 0n, quarantine: null }).discard();
  }

  #staged(filled: { readonly rowCount: bigint; readonly quarantine: string | null }): Staged {
    return new StagedInTable(filled, this.#connections, this.#target, this.#attempt, this.#rows.name, null);
  }

  async #stageQuarantine(): Promise<string | null> {
    if (this.#quarantined.length === 0) return null;
    const options = { columns: QUARANTINE_COLUMNS, isLasting: false };
    const table = await CopyTable.create(this.#connections, this.#target, this.#attempt, options);
    for (const line of this.#quarantined) await table.add(line);
    await table.flush();
    return table.name;
  }
}
