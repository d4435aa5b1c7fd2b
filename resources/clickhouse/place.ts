import type { Column } from "../../definitions/column_type.ts";
import { ContractError } from "../errors.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { type Layout, parseEngine } from "./layout.ts";
import { assetHash, quote } from "./quote.ts";
import { fullTypeName } from "./type_names.ts";

/** A column as the server has it. */
export interface ActualColumn {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

/** A table as the server has it. */
export interface Table {
  readonly uuid: string;
  /** Engine with keys, TTL and settings. */
  readonly engine: string;
  readonly comment: string;
  readonly layout: Layout;
  readonly columns: readonly ActualColumn[];
  /** Skipping indexes and projections, as ALTER TABLE adds them. */
  readonly attachments: readonly { readonly name: string; readonly sql: string }[];
}

/** What has an asset's name. */
export interface Place {
  /** The table; `undefined` where there is none. */
  readonly table: Table | undefined;
  /** The inner table of the incremental view that people read instead. */
  readonly inner: string | undefined;
}

/**
 * Looks at what has the name of an asset.
 *
 * @throws ContractError when it is neither a table of the MergeTree family nor a view that the runtime has made
 */
export async function getPlace(client: Client, { assetKey, schema, table }: Target): Promise<Place> {
  const read = async (columns: string, of: string, order: string): Promise<(string | null)[][]> => {
    const name = of === "tables" ? "name" : "table";
    const text = `SELECT ${columns} FROM system.${of} WHERE database = {p1:String} AND ${name} = {p2:String} ORDER BY ${order}`;
    return (await client.text({ text, parameters: [schema, table, `_inner~${assetHash(assetKey)}~[^\`]+`] })).rows;
  };
  const [tables, columns, indexes, projections] = await Promise.all([
    read("toString(uuid), engine, engine_full, comment, extract(create_table_query, {p3:String})", "tables", "name"),
    read("name, type, comment, compression_codec", "columns", "position"),
    read("name, expr, type_full, granularity", "data_skipping_indices", "name"),
    read("name, query", "projections", "name"),
  ]);
  const [row] = tables;
  if (row === undefined) return { table: undefined, inner: undefined };
  const [uuid, engine, full, comment, inner] = row.map((value) => value ?? "");
  if (engine === "View" && inner !== undefined && inner !== "") return { table: undefined, inner };
  if (engine?.endsWith("MergeTree") !== true) {
    throw new ContractError(
      `${schema}.${table} is a ${engine ?? ""}, which no asset replaces: rename or drop it, or call the asset something else`,
    );
  }
  const actual = indexes.map((index) => {
    const [name = "", expression = "", type = "", granularity = "1"] = index.map((value) => value ?? "");
    return { name, expression, type, granularity };
  });
  return {
    inner: undefined,
    table: {
      uuid: uuid ?? "",
      engine: full ?? "",
      comment: comment ?? "",
      layout: {
        clauses: parseEngine(full ?? ""),
        indexes: actual,
        codecs: new Map(columns.map(([name, , , codec]) => [name ?? "", codec ?? ""])),
      },
      columns: columns.map(([name, type, text]) => ({ name: name ?? "", type: type ?? "", comment: text ?? "" })),
      attachments: [
        ...actual.map(({ name, expression, type, granularity }) => ({
          name,
          sql: `ADD INDEX ${quote(name)} ${expression} TYPE ${type} GRANULARITY ${granularity}`,
        })),
        ...projections.map(([name, query]) => ({
          name: name ?? "",
          sql: `ADD PROJECTION ${quote(name ?? "")} (${query ?? ""})`,
        })),
      ],
    },
  };
}

/** Whether the columns are those of the contract, in any order. */
export function sameColumns(actual: readonly ActualColumn[], wanted: readonly Column[]): boolean {
  const types = new Map(actual.map(({ name, type }) => [name, type]));
  return types.size === wanted.length && wanted.every((column) => types.get(column.name) === fullTypeName(column));
}

/** Whether nothing was added to the table or taken from it since the other look at it. */
export function hangsTheSame(before: Table, now: Table): boolean {
  const shape = ({ engine, columns, attachments }: Table): string => JSON.stringify([engine, columns, attachments]);
  return shape(before) === shape(now);
}
