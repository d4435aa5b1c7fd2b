import type { Column, ColumnType } from "../definitions/column_type.ts";
import type { QuarantinedRow, RowWriter, Staged, Target } from "../resources/store.ts";
import { NewColumns } from "./new_columns.ts";
import { Spool } from "./spool.ts";
import type { ValidRow } from "./validate_rows.ts";

/**
 * Rows whose columns are known only when all are there: they wait in a file, and go on to the store with the columns
 * that they turned out to have.
 */
export class EvolvingWriter implements RowWriter {
  readonly #spool: Spool;
  readonly #declared: Target;
  readonly #known: Target;
  readonly #open: (target: Target) => Promise<RowWriter>;
  readonly #news: NewColumns;
  readonly #quarantined: QuarantinedRow[] = [];
  #added: readonly Column[] = [];

  /**
   * @param path Of a new file.
   * @param declared The table as the contract has it.
   * @param known The same with the columns that evolved before.
   */
  constructor(path: string, declared: Target, known: Target, open: (target: Target) => Promise<RowWriter>) {
    this.#spool = new Spool(path);
    this.#declared = declared;
    this.#known = known;
    this.#open = open;
    this.#news = new NewColumns(known, known.columns);
  }

  /** The table with all of its columns, once the rows are staged. */
  get target(): Target {
    return { ...this.#known, columns: [...this.#known.columns, ...this.#added] };
  }

  /** A column whose source says its type. */
  declare(name: string, type: ColumnType): void {
    this.#news.declare(name, type);
  }

  async append(rows: readonly ValidRow[]): Promise<void> {
    if (rows.length === 0) return;
    for (const row of rows) this.#news.look(row);
    const documents = this.#known.columns.filter(({ type }) => type.kind === "json").map(({ name }) => name);
    await this.#spool.add(documents.length === 0 ? rows : rows.map((row) => withPlain(row, documents)));
  }

  quarantine(row: QuarantinedRow): void {
    this.#quarantined.push(row);
  }

  async finish(): Promise<Staged> {
    try {
      this.#added = this.#news.get();
      const writer = await this.#hand();
      await this.#copyInto(writer);
      return await writer.finish();
    } finally {
      await this.#spool.close();
    }
  }

  async fail(): Promise<void> {
    await this.#spool.close();
    await (await this.#hand()).fail();
  }

  async discard(): Promise<void> {
    await this.#spool.close();
  }

  /** What is new and what could not be added, for people. */
  differences(): string[] {
    return [
      ...this.#added.map(({ name, type }) => `column ${JSON.stringify(name)} is new, of type ${type.kind}`),
      ...this.#news.empty.map((name) => `column ${JSON.stringify(name)} is new and only NULL: it is not added yet`),
    ];
  }

  async #copyInto(writer: RowWriter): Promise<void> {
    const evolved = this.target.columns.slice(this.#declared.columns.length);
    try {
      for await (const page of this.#spool.pages()) await writer.append(withBigints(page, evolved));
    } catch (error) {
      await writer.discard();
      throw error;
    }
  }

  /** The store's own writer, with the quarantined rows. */
  async #hand(): Promise<RowWriter> {
    const writer = await this.#open(this.target);
    for (const row of this.#quarantined) writer.quarantine(row);
    return writer;
  }
}

/** Documents as the store will write them: not every value of one outlasts the file. */
function withPlain(row: ValidRow, documents: readonly string[]): ValidRow {
  const plain = documents.flatMap((name): [string, unknown][] => {
    const value = row[name];
    return value === undefined ? [] : [[name, JSON.parse(JSON.stringify(value))]];
  });
  return { ...row, ...Object.fromEntries(plain) };
}

/** Rows as a store takes them: whole numbers of 64 bits in columns that evolved are `bigint`. */
export function withBigints(rows: readonly ValidRow[], evolved: readonly Column[]): readonly ValidRow[] {
  const wide = evolved.filter(({ type }) => type.kind === "int64").map(({ name }) => name);
  if (wide.length === 0) return rows;
  return rows.map((row) => {
    const values = wide.flatMap((name): [string, bigint][] => {
      const value = row[name];
      return typeof value === "number" ? [[name, BigInt(value)]] : [];
    });
    return values.length === 0 ? row : { ...row, ...Object.fromEntries(values) };
  });
}
