import { ContractError } from "../errors.ts";
import { insideAll, outsideError } from "../partition_set.ts";
import type { Parameter, Statement } from "../render_sql.ts";
import type { PartitionSet, Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnNames } from "./contract.ts";
import { parameter } from "./dialect.ts";
import { quote, tableName } from "../quote.ts";

/** Refuses staged rows that the target's strategy cannot take. */
export async function requireWritable(client: Client, target: Target, stage: string): Promise<void> {
  const { strategy } = target;
  if (strategy.kind === "replacePartitions") await requireInside(client, target, stage, strategy.partitions);
  if (strategy.kind === "merge") await requireUnique(client, target, stage, strategy.key);
}

/** Makes the staged rows the table's, as the target's strategy says; inside a transaction. */
export async function writeStaged(client: Client, target: Target, stage: string): Promise<void> {
  const name = tableName(target.assetKey);
  const { strategy } = target;
  switch (strategy.kind) {
    case "replace":
      await client.run(`TRUNCATE TABLE ${name}`);
      break;
    case "replacePartitions": {
      const { text, parameters } = inside(strategy.partitions);
      await client.run({ text: `DELETE FROM ${name} WHERE ${text}`, parameters });
      break;
    }
    case "merge": {
      const same = strategy.key.map((key) => `${name}.${quote(key)} IS NOT DISTINCT FROM staged.${quote(key)}`);
      await client.run(
        `DELETE FROM ${name} WHERE EXISTS (SELECT 1 FROM ${stage} AS staged WHERE ${same.join(" AND ")})`,
      );
      break;
    }
    case "append":
      break;
  }
  const columns = columnNames(target);
  await client.run(`INSERT INTO ${name} (${columns}) SELECT ${columns} FROM ${stage}`);
}

/** The condition that holds for the rows of the partitions. */
function inside(partitions: PartitionSet): Statement {
  const parameters: Parameter[] = [];
  const bind = (value: Parameter): string => parameter(parameters.push(value), value);
  const text = insideAll(partitions, (one) => {
    const column = quote(one.column);
    if (one.kind === "window") return `${column} >= ${bind(one.start)} AND ${column} < ${bind(one.end)}`;
    const keys = one.keys.map((key) => `CAST(${bind(key)} AS text)`).join(", ");
    return keys === "" ? "false" : `CAST(${column} AS text) IN (${keys})`;
  });
  return { text, parameters };
}

async function requireInside(client: Client, target: Target, stage: string, partitions: PartitionSet): Promise<void> {
  const { text, parameters } = inside(partitions);
  const { rows } = await client.text({
    text: `SELECT count(*) FROM ${stage} WHERE (${text}) IS NOT TRUE`,
    parameters,
  });
  if (rows[0]?.[0] === "0") return;
  throw outsideError(target.assetKey, partitions, rows[0]?.[0] ?? "");
}

async function requireUnique(client: Client, target: Target, stage: string, key: readonly string[]): Promise<void> {
  const columns = key.map(quote).join(", ");
  const { rows } = await client.text(
    `SELECT count(*) FROM (SELECT 1 FROM ${stage} GROUP BY ${columns} HAVING count(*) > 1) AS twice`,
  );
  if (rows[0]?.[0] === "0") return;
  throw new ContractError(
    `${target.assetKey}: ${rows[0]?.[0] ?? ""} keys (${key.join(", ")}) are there more than once, so it is not known which row to merge; nothing was published`,
  );
}
