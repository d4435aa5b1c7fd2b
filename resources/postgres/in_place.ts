import { ContractError } from "../errors.ts";
import { insideAll } from "../partition_set.ts";
import { quote, tableName } from "../quote.ts";
import type { Parameter } from "../render_sql.ts";
import type { PartitionSet, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnList } from "./contract.ts";
import { TransactionConflictError } from "./errors.ts";
import { requireRows, type StagingTable } from "./staging.ts";

/** How often rows are looked for that others changed meanwhile; triggers may make new ones each time. */
const MAX_PASSES = 5;

/** A condition on rows. */
interface Condition {
  readonly text: string;
  readonly parameters: readonly Parameter[];
}

/**
 * Replaces rows inside the table, in one transaction, so that all that hangs on it stays: readers see the old rows until
 * the commit.
 */
export async function writeInPlace(
  client: Client,
  target: Target,
  oid: string,
  { name: stage, rowCount }: StagingTable,
): Promise<void> {
  const name = tableName(target.assetKey);
  const columns = columnList(target);
  const scope = scopeOf(target, stage);
  const key = await referencedKey(client, oid);
  if (scope !== null && key !== undefined) {
    const { rows } = await client.text(`SELECT count(*) FROM ${stage}`);
    requireRows(target, rowCount, BigInt(rows[0]?.[0] ?? 0));
    await synchronize(client, target, stage, scope, key);
    return;
  }
  if (scope !== null) {
    const statement = { text: `DELETE FROM ${name} AS old WHERE ${scope.text}`, parameters: scope.parameters };
    // Where it waited for another transaction, that one's new rows are seen by the next statement only.
    for (let pass = 1; pass <= MAX_PASSES; pass += 1) if ((await client.write(statement)) === 0n) break;
  }
  const written = await client.write(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${stage}`);
  // A trigger of the table may refuse rows silently, by what people decided: then count what is staged.
  if (written === rowCount) return;
  const { rows } = await client.text(`SELECT count(*) FROM ${stage}`);
  requireRows(target, rowCount, BigInt(rows[0]?.[0] ?? 0));
}

/** Which rows of the table, called `old`, the staged ones replace; `null`: none. */
function scopeOf(target: Target, stage: string): Condition | null {
  const { strategy } = target;
  switch (strategy.kind) {
    case "replace":
      return { text: "true", parameters: [] };
    case "replacePartitions":
      return inside(strategy.partitions, target, "old");
    case "merge": {
      const same = sameKey(target, strategy.key, "old", "staged");
      return { text: `EXISTS (SELECT 1 FROM ${stage} AS staged WHERE ${same})`, parameters: [] };
    }
    case "append":
      return null;
  }
}

/** The condition that holds for the rows of the partitions. @param alias Of what has them. */
export function inside(partitions: PartitionSet, target: Pick<Target, "columns">, alias: string): Condition {
  const parameters: Parameter[] = [];
  const bind = (value: Parameter): string => `$${parameters.push(value)}`;
  const text = insideAll(partitions, (one) => {
    const column = `${alias}.${quote(one.column)}`;
    if (one.kind === "window") {
      const [start, end] = [one.start, one.end].map((time) => `CAST(${bind(time)} AS timestamp with time zone)`);
      return `${column} >= ${start} AND ${column} < ${end}`;
    }
    if (one.keys.length === 0) return "false";
    const isText = target.columns.some(({ name, type }) => name === one.column && type.kind === "string");
    return `${isText ? column : `CAST(${column} AS text)`} IN (${one.keys.map(bind).join(", ")})`;
  });
  return { text, parameters };
}

/** Two rows have the same key; NULL equals NULL. Written so that the engine can join by hashing. */
function sameKey(target: Target, key: readonly string[], one: string, other: string): string {
  return key
    .map((name) => {
      const column = target.columns.find((candidate) => candidate.name === name);
      const [left, right] = [one, other].map((alias) => {
        const value = `${alias}.${quote(name)}`;
        return column?.type.kind === "json" ? `CAST(${value} AS text)` : value;
      });
      // In arrays NULL equals NULL, and unlike IS NOT DISTINCT FROM their equality can be hashed.
      return column?.nullable === false ? `${left} = ${right}` : `ARRAY[${left}] = ARRAY[${right}]`;
    })
    .join(" AND ");
}

/** The columns that foreign keys of other tables refer to; `undefined` where there are none. */
async function referencedKey(client: Client, oid: string): Promise<string[] | undefined> {
  const { rows } = await client.text(`
    SELECT a.attname FROM (
      SELECT confkey FROM pg_catalog.pg_constraint WHERE confrelid = ${oid} AND contype = 'f' ORDER BY oid LIMIT 1
    ) AS c, unnest(c.confkey) WITH ORDINALITY AS k (number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = ${oid} AND a.attnum = k.number ORDER BY k.place`);
  return rows.length === 0 ? undefined : rows.map(([name]) => name ?? "");
}

/**
 * The same outcome as deleting and inserting, but a row whose key stays is changed where it is: a foreign key that
 * refers to it is neither broken nor does it cascade. A staged row with the key of one out of scope is refused, as it
 * would be by deleting and inserting. All is one statement, as foreign keys are looked at when it ends: rows may refer to
 * each other.
 */
async function synchronize(
  client: Client,
  target: Target,
  stage: string,
  { text: scope, parameters }: Condition,
  key: readonly string[],
): Promise<void> {
  const name = tableName(target.assetKey);
  const columns = columnList(target);
  await requireUnique(client, target, stage, key);
  const same = key.map((column) => `old.${quote(column)} = staged.${quote(column)}`).join(" AND ");
  const text = (alias: string): string =>
    target.columns
      .map(({ name: column, type }) => {
        const value = `${alias}.${quote(column)}`;
        // Documents have no equality, and -0 equals 0.
        return type.kind === "json" || type.kind === "float64" ? `CAST(${value} AS text)` : value;
      })
      .join(", ");
  const changed = `UPDATE ${name} AS old SET ${target.columns.map(({ name: column }) => `${quote(column)} = staged.${quote(column)}`).join(", ")}
      FROM ${stage} AS staged WHERE (${scope}) AND ${same} AND (${text("old")}) IS DISTINCT FROM (${text("staged")})`;
  const deleted = `DELETE FROM ${name} AS old
      WHERE (${scope}) AND NOT EXISTS (SELECT 1 FROM ${stage} AS staged WHERE ${same})`;
  const missing = `${stage} AS staged WHERE NOT EXISTS (SELECT 1 FROM ${name} AS old WHERE (${scope}) AND ${same})`;
  // Asked for their counts, the two come before the insert, whose unique values they may free.
  const statement = `WITH deleted AS (${deleted} RETURNING 1), changed AS (${changed} RETURNING 1),
      missing AS (SELECT * FROM ${missing}), inserted AS (
        INSERT INTO ${name} (${columns}) SELECT ${columns} FROM missing
        WHERE (SELECT count(*) FROM deleted) >= 0 AND (SELECT count(*) FROM changed) >= 0 RETURNING 1)
      SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM inserted)`;
  const left = `SELECT (SELECT count(*) FROM ${missing}) + (SELECT count(*) FROM ${name} AS old
      WHERE (${scope}) AND NOT EXISTS (SELECT 1 FROM ${stage} AS staged WHERE ${same}))`;
  const count = async (text: string): Promise<string | null | undefined> =>
    (await client.text({ text, parameters })).rows[0]?.[0];
  // A row that another transaction deletes meanwhile, or gives another key, is neither changed nor inserted: it is there
  // for the statement's snapshot. The next one sees what that transaction did; what it leaves, triggers keep so.
  for (let pass = 1; pass <= MAX_PASSES; pass += 1) {
    const mended = await count(statement);
    if (pass > 1 && mended === "0") return;
    if ((await count(left)) === "0") return;
  }
  throw new TransactionConflictError(`${name} was changed by others again and again`, statement, undefined);
}

/** @throws ContractError for keys that are staged more than once */
export async function requireUnique(
  client: Client,
  target: Target,
  stage: string,
  key: readonly string[],
): Promise<void> {
  const columns = key
    .map((name) => {
      const isJson = target.columns.some((column) => column.name === name && column.type.kind === "json");
      return isJson ? `CAST(${quote(name)} AS text)` : quote(name);
    })
    .join(", ");
  const { rows } = await client.text(
    `SELECT count(*) FROM (SELECT 1 FROM ${stage} GROUP BY ${columns} HAVING count(*) > 1) AS twice`,
  );
  if (rows[0]?.[0] === "0") return;
  throw new ContractError(
    `${target.assetKey}: ${rows[0]?.[0] ?? ""} keys (${key.join(", ")}) are there more than once, so it is not known which row to merge; nothing was published`,
  );
}
