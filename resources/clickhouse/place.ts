import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { Target } from "../store.ts";
import { type Client, FEW_ROWS } from "./client.ts";
import { parseDefinition } from "./definition.ts";
import { type EngineClauses, type Layout, parseEngine } from "./layout.ts";
import { assetHash, OWN_DATABASE, quote } from "./quote.ts";
import { withoutFixedPath } from "./replicated_engine.ts";
import { fullTypeName } from "./type_names.ts";

/** A column as the server has it. */
export interface ActualColumn {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

/** What hangs on a column. */
export type ColumnAttachment = "codec" | "value" | "ttl" | "statistics" | "settings";

/** What hangs on a table, or on one of its columns. */
export interface Attachment {
  readonly kind: "index" | "projection" | "constraint" | ColumnAttachment;
  /** Its own name; of what hangs on a column, the column's. */
  readonly name: string;
  /** As ALTER TABLE adds it. */
  readonly sql: string;
}

/** A table as the server has it. */
export interface Table extends Omit<Named, "inner"> {
  readonly layout: Layout;
  readonly columns: readonly ActualColumn[];
  readonly attachments: readonly Attachment[];
}

/** One of the runtime's own tables. */
export interface OwnTable {
  readonly name: string;
  readonly uuid: string;
  readonly comment: string;
}

/** What has an asset's name: a table, or the view over the inner table of an incremental view. */
export interface Named {
  readonly uuid: string;
  /** Engine with keys, TTL and settings. */
  readonly engine: string;
  readonly comment: string;
  /** The server's own text of it, with all that hangs on it. */
  readonly definition: string;
  /** The inner table of the incremental view; `undefined`: it is a table. */
  readonly inner: string | undefined;
}

/** What is there at one moment. */
export interface Look {
  readonly own: readonly OwnTable[];
  /** `undefined`: nothing has the asset's name. */
  readonly named: Named | undefined;
}

/** The same, with all parts of the table. */
export interface Place extends Look {
  /** `undefined` where there is none. */
  readonly table: Table | undefined;
}

/** The runtime's own tables, as {@link readLook} reads them. A subquery of one value is run before the query around it. */
export const OWN = `(
  SELECT toJSONString(groupArray([name, toString(uuid), comment])) FROM system.tables WHERE database = {p1:String}
)`;
/** What has a name, of `system.tables`. */
export const NAMED = "toJSONString(groupArray([toString(uuid), engine, engine_full, comment, create_table_query]))";

/**
 * Looks at the runtime's own tables and at all of what has an asset's name.
 *
 * @throws ContractError when it is neither a table of the MergeTree family nor a view that the runtime has made, or in a
 * database into which no table can be put
 */
export async function getPlace(client: Client, target: Target): Promise<Place> {
  const parameters = [OWN_DATABASE, target.schema, target.table];
  const of = "database = {p2:String} AND table = {p3:String}";
  const { rows } = await client.text(
    {
      // The definition first: when the table is changed between the two, it differs from the next look's.
      text: `WITH ${OWN} AS own, (SELECT ${NAMED} FROM system.tables WHERE database = {p2:String} AND name = {p3:String}) AS named
      SELECT own, named, (SELECT any(engine) FROM system.databases WHERE name = {p2:String}), toJSONString(groupArray([name, type, comment, codec, default_kind, default_expression])) FROM (
        SELECT name, type, comment, compression_codec AS codec, default_kind, default_expression FROM system.columns WHERE ${of} ORDER BY position
      )`,
      parameters,
    },
    FEW_ROWS,
  );
  const [[own, named, databaseEngine, columnTexts] = []] = rows;
  if (/^(Replicated|Ordinary)$/.test(databaseEngine ?? "")) {
    throw new ContractError(
      `the database ${target.schema} is of the engine ${databaseEngine ?? ""}, into which no table of another one can be exchanged: ` +
        `${target.assetKey} needs one of the engine Atomic`,
    );
  }
  const look = readLook(target, own, named);
  if (look.named === undefined || look.named.inner !== undefined) return { ...look, table: undefined };
  const { uuid, engine, comment, definition } = look.named;
  const columns = readTexts(columnTexts);
  const { constraints, projections, indexes, columns: clauses } = parseDefinition(definition);
  const found =
    indexes.size === 0
      ? { rows: [] }
      : await client.text({
          text: `SELECT name, expr, type_full, granularity FROM system.data_skipping_indices WHERE ${of} ORDER BY name`,
          parameters,
        });
  const actual = found.rows
    .map((row) => row.map((value) => value ?? ""))
    .map(([name = "", expression = "", type = "", granularity = "1"]) => ({ name, expression, type, granularity }))
    .filter(({ name }) => indexes.has(name));
  const table = {
    ...{ uuid, engine, comment, definition },
    layout: {
      clauses: ofItsOwn(parseEngine(engine)),
      indexes: actual,
      codecs: new Map(columns.map(([name = "", , , codec = ""]) => [name, codec])),
    },
    columns: columns.map(([name = "", type = "", text = ""]) => ({ name, type, comment: text })),
    attachments: [
      ...actual.map(({ name, expression, type, granularity }) => ({
        kind: "index" as const,
        name,
        sql: `ADD INDEX ${quote(name)} ${expression} TYPE ${type} GRANULARITY ${granularity}`,
      })),
      ...[...projections].map(([name, sql]) => ({ kind: "projection" as const, name, sql })),
      ...[...constraints].map(([name, sql]) => ({ kind: "constraint" as const, name, sql })),
      ...columns.flatMap(([name = "", , , codec = "", value = "", expression = ""]) => {
        const has = (kind: Attachment["kind"], what: string): Attachment => {
          return { kind, name, sql: `MODIFY COLUMN ${quote(name)} ${what}` };
        };
        const { ttl, statistics, settings } = clauses.get(name) ?? {};
        return [
          ...(codec === "" ? [] : [has("codec", codec)]),
          ...(value === "" ? [] : [has("value", `${value} ${expression}`)]),
          ...(ttl === undefined ? [] : [has("ttl", `TTL ${ttl}`)]),
          ...(settings === undefined ? [] : [has("settings", `MODIFY SETTING ${settings}`)]),
          ...(statistics === undefined
            ? []
            : [{ kind: "statistics" as const, name, sql: `ADD STATISTICS ${quote(name)} TYPE ${statistics}` }]),
        ];
      }),
    ],
  };
  return { ...look, table };
}

function ofItsOwn(clauses: EngineClauses): EngineClauses {
  return { ...clauses, engine: withoutFixedPath(clauses.engine) };
}

/** @throws ContractError as {@link getPlace} */
export function readLook(
  { assetKey, schema, table }: Target,
  own: string | null | undefined,
  named: string | null | undefined,
): Look {
  const tables = readTexts(own).map(([name = "", uuid = "", comment = ""]) => ({ name, uuid, comment }));
  const [row] = readTexts(named);
  if (row === undefined) return { own: tables, named: undefined };
  const [uuid = "", kind = "", engine = "", comment = "", definition = ""] = row;
  const inner = kind === "View" ? new RegExp(`_inner~${assetHash(assetKey)}~[^\`]+`).exec(definition)?.[0] : undefined;
  if (inner === undefined && !kind.endsWith("MergeTree")) {
    throw new ContractError(
      `${schema}.${table} is a ${kind}, which no asset replaces: rename or drop it, or call the asset something else`,
    );
  }
  return { own: tables, named: { uuid, engine, comment, definition, inner } };
}

function readTexts(json: string | null | undefined): string[][] {
  return JSON.parse(json ?? "[]") as string[][];
}

/** Whether the columns are those of the contract, in any order. */
export function sameColumns(actual: readonly ActualColumn[], wanted: readonly Column[]): boolean {
  const types = new Map(actual.map(({ name, type }) => [name, type]));
  return types.size === wanted.length && wanted.every((column) => types.get(column.name) === fullTypeName(column));
}

/** Whether nothing was added to the table or taken from it since the other look at it. */
export function hangsTheSame(before: Table, now: Table): boolean {
  if (isUnchanged(before, now)) return true;
  const shape = ({ engine, columns, attachments }: Table): string => JSON.stringify([engine, columns, attachments]);
  return shape(before) === shape(now);
}

/** The table in a place, which nothing has to be asked about when the server's text of it is that of an earlier look. */
export async function getTable(
  client: Client,
  target: Target,
  named: Named | undefined,
  earlier: Table | undefined,
): Promise<Table | undefined> {
  if (named === undefined || named.inner !== undefined) return undefined;
  if (isUnchanged(earlier, named)) return { ...earlier, ...named };
  return (await getPlace(client, target)).table;
}

/** Whether the server's text of a table is that of an earlier look. It shows none to those who may not see it. */
export function isUnchanged(before: Table | undefined, now: Pick<Named, "definition"> | undefined): before is Table {
  return before !== undefined && before.definition !== "" && before.definition === now?.definition;
}
