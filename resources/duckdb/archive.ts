import { type Archive, type ArchivedFile, type ArchiveJob, type ArchivePartition, damagedFiles } from "../archive.ts";
import { type ArchivePlace, inPlace, newFileName } from "../archive_folder.ts";
import { sampleOf } from "../checks.ts";
import { hashedFacts } from "../content_hash.ts";
import { ContractError } from "../errors.ts";
import { thisProcess, tryGetAlive } from "../process_identity.ts";
import { literal, quote, tableName } from "../quote.ts";
import type { Statement } from "../render_sql.ts";
import type { Attempt, LedgerEntry, StagedFacts } from "../store.ts";
import {
  coldFiles,
  createFileList,
  forgetFile,
  type IdleFile,
  idleFiles,
  insertFile,
  otherArchive,
  setCold,
  setRestored,
} from "./archive_files.ts";
import { DUCKDB_CHECKS } from "./checks.ts";
import type { Client } from "./client.ts";
import { createOwnTables, insertLedgerEntry } from "./ledger.ts";
import { withLimitedMemory } from "./memory.ts";
import { columnTypeName } from "./type_names.ts";
import {
  countRows,
  type CountedRows,
  filesQuery,
  makeView,
  namesOf,
  type ReadFile,
  requireArchivable,
  viewQuery,
} from "./archive_view.ts";

/** Enough for the row groups on their way of a table of ordinary width. */
const MEMORY = "512MB";
/** How long the file of a restored partition stays, for readers who began before, and its rows in the table. */
const RESTORED_MS = 86_400_000;

/**
 * Cold partitions in Parquet files, beside a table of the warehouse. One transaction writes files, deletes their rows,
 * lists them and makes the view anew: readers see the view and the table of one moment.
 */
export class DuckDBArchive implements Archive {
  readonly #client: Client;
  readonly #job: ArchiveJob;
  readonly #attempt: Attempt;
  readonly #placeOf: (to: string) => ArchivePlace;
  /** The hashes of rows are those of this engine. */
  readonly #engine: string;

  private constructor(
    client: Client,
    job: ArchiveJob,
    attempt: Attempt,
    { placeOf, engine }: { readonly placeOf: (to: string) => ArchivePlace; readonly engine: string },
  ) {
    this.#client = client;
    this.#job = job;
    this.#attempt = attempt;
    this.#placeOf = placeOf;
    this.#engine = engine;
  }

  /** @throws MissingTableError, ContractError */
  static async open(
    client: Client,
    job: ArchiveJob,
    attempt: Attempt,
    placeOf: (to: string) => ArchivePlace,
  ): Promise<DuckDBArchive> {
    await requireArchivable(client, job);
    await createFileList(client);
    const other = await otherArchive(client, job.target.assetKey, job.source.assetKey);
    if (other !== undefined)
      throw new ContractError(
        `${job.target.assetKey}: ${other} has archived partitions of ${job.source.assetKey}, which this view would not ` +
          `show: restore them with ${other}, or give this asset its name`,
      );
    const [[engine] = []] = (await client.text("SELECT version()")).rows;
    return new DuckDBArchive(client, job, attempt, { placeOf, engine: engine ?? "" });
  }

  async tidy(): Promise<void> {
    const { target } = this.#job;
    for (const file of await idleFiles(this.#client, target.assetKey)) if (this.#isOver(file)) await this.#forget(file);
    const damaged: string[] = [];
    for (const [to, files] of Map.groupBy(await this.cold(), (file) => file.to)) {
      const sizes = await this.#placeOf(to).sizes(files.map(({ name }) => name));
      for (const file of files) {
        const size = sizes.get(file.name);
        if (size === undefined) damaged.push(`${this.#uri(file)} is missing`);
        else if (size !== null && size !== file.bytes)
          damaged.push(`${this.#uri(file)} has ${size} bytes, not ${file.bytes}`);
      }
    }
    if (damaged.length > 0) throw damagedFiles(target.assetKey, damaged);
  }

  async cold(): Promise<ArchivedFile[]> {
    return await coldFiles(this.#client, this.#job.target.assetKey, this.#job.column);
  }

  async restored(): Promise<ReadonlySet<string>> {
    const files = await idleFiles(this.#client, this.#job.target.assetKey);
    const recent = files.filter((file) => file.status === "restored" && !this.#isOver(file));
    return new Set(recent.map(({ partition }) => partition));
  }

  async firstHot(from: Date): Promise<Date | null> {
    const column = quote(this.#job.column);
    const { rows } = await this.#client.text({
      text: `SELECT epoch_ms(CAST(min(${column}) AS TIMESTAMPTZ)) FROM ${tableName(this.#job.source.assetKey)}
        WHERE ${column} >= $1 AND isfinite(${column})`,
      parameters: [from],
    });
    const first = rows[0]?.[0] ?? null;
    return first === null ? null : new Date(Number(first));
  }

  async move(partitions: readonly ArchivePartition[]): Promise<readonly ArchivedFile[]> {
    const { target, source, to, now } = this.#job;
    // Where nothing is removed, what is left of a partition is written over.
    const left = (await idleFiles(this.#client, target.assetKey)).filter(
      (file) => file.to === to && this.#isOver(file),
    );
    const files = partitions.map((partition) => {
      const name = left.find((file) => file.partition === partition.key)?.name ?? newFileName(partition.key);
      return { partition, to, name };
    });
    const by = {
      ...{ archive: target.assetKey, source: source.assetKey, now },
      ...{ runId: this.#attempt.runId, owner: thisProcess() },
    };
    await this.#client.transaction(async () => {
      for (const file of files) {
        await forgetFile(this.#client, file.name);
        await insertFile(this.#client, file, by);
      }
    });
    let moved: ArchivedFile[] = [];
    const move = async (): Promise<void> => {
      moved = [];
      for (const file of files) {
        const written = await this.#write(file);
        moved.push(written);
        const { text, parameters } = this.#hot(file.partition);
        await this.#client.run({ text: `DELETE FROM ${text}`, parameters });
        await setCold(this.#client, file.name, written, now);
      }
      await this.#makeView();
      this.#attempt.signal.throwIfAborted();
    };
    try {
      // Around the transaction: one that has failed takes no settings.
      await withLimitedMemory(this.#client, MEMORY, () => this.#client.transaction(move));
      return moved;
    } catch (error) {
      // A commit may have happened all the same: only the list knows.
      await this.#forgetUnlisted(files.map(({ name }) => name)).catch((fault: unknown) => {
        this.#attempt.log(`Files that are not needed could not be removed; the next run will: ${String(fault)}`);
      });
      throw error;
    }
  }

  async restore(files: readonly ArchivedFile[]): Promise<void> {
    const { source, now } = this.#job;
    await this.#client.transaction(async () => {
      for (const file of files) {
        await this.#requireIntact(file);
        const [hot, cold] = [await this.#count(this.#hot(file.partition)), await this.#countIn([file])];
        await this.#client.run(
          `INSERT INTO ${tableName(source.assetKey)} (${namesOf(source)}) ${filesQuery(this.#job, [file], this.#uri)}`,
        );
        const all = await this.#count(this.#hot(file.partition));
        const isKnown =
          file.engine === this.#engine && JSON.stringify(file.columns) === JSON.stringify(this.#columns());
        if (
          cold.rowCount !== file.rowCount ||
          (isKnown && cold.sum !== file.sum) ||
          all.rowCount !== hot.rowCount + cold.rowCount ||
          all.sum !== hot.sum + cold.sum
        )
          throw damagedFiles(this.#job.target.assetKey, [`${this.#uri(file)} has other rows than were archived`]);
        await setRestored(this.#client, file.name, now);
      }
      await this.#makeView();
      this.#attempt.signal.throwIfAborted();
    });
  }

  async facts(): Promise<StagedFacts> {
    const { target, source } = this.#job;
    const cold = await this.cold();
    const hot = await this.#count({ text: tableName(source.assetKey), parameters: [] });
    // Sums add up, so it does not matter which rows are in files. Those of another engine's hashes cannot be compared.
    const rowCount = cold.reduce((all, file) => all + file.rowCount, hot.rowCount);
    const sum = cold.reduce((all, file) => all + file.sum, hot.sum);
    const engines = [...new Set([this.#engine, ...cold.map(({ engine }) => engine)])].sort().join(" ");
    const rows = [[String(rowCount), String(sum)]];
    return {
      cursor: null,
      ...hashedFacts({ columns: target.columns }, { rows, engine: engines, typeName: columnTypeName }),
      sample: await sampleOf(this.#client, DUCKDB_CHECKS, {
        text: `SELECT * FROM (${viewQuery(this.#job, cold, this.#uri)}) AS archive`,
        parameters: [],
      }),
    };
  }

  async publish(entry: LedgerEntry): Promise<void> {
    await this.#client.transaction(async () => {
      await this.#makeView();
      await createOwnTables(this.#client);
      await insertLedgerEntry(this.#client, entry);
    });
  }

  /** Writes the rows of a partition and reads them back. */
  async #write({ partition, to, name }: Pick<ArchivedFile, "partition" | "to" | "name">): Promise<ArchivedFile> {
    const { source } = this.#job;
    this.#attempt.signal.throwIfAborted();
    const { text, parameters } = this.#hot(partition);
    // Not every reader knows the type of a document; all know its text.
    const list = source.columns.map(({ name: column, type }) =>
      type.kind === "json" ? `CAST(${quote(column)} AS VARCHAR) AS ${quote(column)}` : quote(column),
    );
    const query = `SELECT ${list.join(", ")} FROM ${text}`;
    const state = await inPlace({ ...this.#attempt, assetKey: this.#job.target.assetKey, to }, () =>
      this.#placeOf(to).put(name, (path) =>
        this.#client.run({
          text: `COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
          parameters,
        }),
      ),
    );
    const hot = await this.#count(this.#hot(partition));
    const file = { partition, to, name, ...state, ...hot, engine: this.#engine, columns: this.#columns() };
    const cold = await this.#countIn([file]);
    if (cold.rowCount !== hot.rowCount || cold.sum !== hot.sum)
      throw damagedFiles(this.#job.target.assetKey, [
        `${this.#uri(file)} read back ${cold.rowCount} rows for ${hot.rowCount}${cold.rowCount === hot.rowCount ? ", with other values" : ""}`,
      ]);
    return file;
  }

  async #requireIntact(file: ArchivedFile): Promise<void> {
    const place = this.#placeOf(file.to);
    if (!(await place.sizes([file.name])).has(file.name))
      throw damagedFiles(this.#job.target.assetKey, [`${this.#uri(file)} is missing`]);
    if ((await place.sha256(file.name)) !== file.sha256)
      throw damagedFiles(this.#job.target.assetKey, [`${this.#uri(file)} is not the file that was written`]);
  }

  async #makeView(): Promise<void> {
    await makeView(this.#client, this.#job.target, viewQuery(this.#job, await this.cold(), this.#uri));
  }

  async #count(relation: Statement): Promise<CountedRows> {
    return await countRows(this.#client, this.#job.target, relation);
  }

  async #countIn(files: readonly ReadFile[]): Promise<CountedRows> {
    return await this.#count({ text: `(${filesQuery(this.#job, files, this.#uri)}) AS files`, parameters: [] });
  }

  /** The rows of a partition that are in the table. */
  #hot({ rows: { start, end } }: ArchivePartition): Statement {
    const column = quote(this.#job.column);
    const table = tableName(this.#job.source.assetKey);
    return { text: `${table} WHERE ${column} >= $1 AND ${column} < $2`, parameters: [start, end] };
  }

  #columns(): ArchivedFile["columns"] {
    return this.#job.source.columns.map(({ name, type }) => ({ name, type: columnTypeName(type) }));
  }

  readonly #uri = ({ to, name }: Pick<ArchivedFile, "to" | "name">): string => this.#placeOf(to).uri(name);

  async #forgetUnlisted(names: readonly string[]): Promise<void> {
    const own = new Set(names);
    for (const file of await idleFiles(this.#client, this.#job.target.assetKey))
      if (file.status === "writing" && own.has(file.name)) await this.#forget(file);
  }

  /** The file first: what is listed and gone does no harm. */
  async #forget({ to, name }: Pick<IdleFile, "to" | "name">): Promise<void> {
    const { remove } = this.#placeOf(to);
    if (remove === null) return;
    await remove(name);
    await forgetFile(this.#client, name);
  }

  /** Whether nobody reads or writes the file any more. */
  #isOver({ status, changedAt, owner, runId }: IdleFile): boolean {
    const { now, isOpen } = this.#job;
    if (status === "restored") return now.getTime() - changedAt.getTime() >= RESTORED_MS;
    return !(tryGetAlive(owner) ?? isOpen(runId));
  }
}
