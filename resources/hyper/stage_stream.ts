import type { PostgresTableSource, ReadLimits } from "../bulk_source.ts";
import { type CopiedColumns, sourceOf } from "../store_sources.ts";
import type { Attempt, Target } from "../store.ts";
import type { Connections } from "./connections.ts";
import { columnNames } from "./contract.ts";
import { HyperStaged } from "./publish.ts";

/** Hyper takes infinity for the last instant that it has. */
const LIMITS: ReadLimits = { first: "4713-01-01 BC", end: "290000-01-01", allowsInfinity: false };

/** Rows on their way, as COPY … FROM STDIN takes them. */
export interface RowStream {
  readonly rows: AsyncIterable<Uint8Array>;
  /** What COPY is to know of their format. */
  readonly options: string;
  /** Where they come from, for people. */
  readonly statement: string;
}

/** Stages a PostgreSQL table: one server's COPY goes into the other's, which writes the same text. */
export async function stageFromPostgres(
  connections: Connections,
  source: PostgresTableSource,
  names: CopiedColumns,
  target: Target,
  attempt: Attempt,
): Promise<HyperStaged> {
  const { runId, signal, log } = attempt;
  const { assetKey } = target;
  const columns = target.columns.map(({ name, type }) => ({ name, type, source: sourceOf(names, name) }));
  const reader = await source.open({ assetKey, runId, columns, limits: LIMITS, signal, log });
  const statement = `-- in ${reader.place}\n${reader.query}`;
  return await stageStream(
    connections,
    { rows: reader.rows("text"), options: "FORMAT text", statement },
    target,
    attempt,
  );
}

/** Stages rows that come over the connection. */
export async function stageStream(
  connections: Connections,
  { rows, options, statement }: RowStream,
  target: Target,
  attempt: Attempt,
): Promise<HyperStaged> {
  const staged = await HyperStaged.begin(connections, target, attempt);
  try {
    const text = `COPY ${staged.stage} (${columnNames(target)}) FROM STDIN WITH (${options})`;
    const copy = await staged.client.copyIn(text);
    try {
      for await (const chunk of rows) await copy.write(chunk);
    } catch (error) {
      await copy.fail();
      throw error;
    }
    await staged.client.endCopy(copy);
    staged.statement = statement;
    return staged;
  } catch (error) {
    await staged.release();
    throw error;
  }
}
