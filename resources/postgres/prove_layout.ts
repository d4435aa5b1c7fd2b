import { StatementError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { Target } from "../store.ts";
import type { Client } from "./client.ts";
import { columnDefinitions } from "./contract.ts";
import { declaredIndexes, indexStatement } from "./indexes.ts";
import { declaredLayout } from "./layout.ts";

/**
 * Makes an empty table with the layout that an asset declares, and tells what the server has against it: a condition
 * with an error, a method that does not index a type, a unique index without the column of the partitions.
 *
 * @param table Its name, quoted. The caller rolls back.
 */
export async function layoutFaults(client: Client, target: Target, table: string): Promise<string[]> {
  const layout = declaredLayout(target);
  const partitioned = layout === undefined ? "" : ` PARTITION BY RANGE (${quote(layout.column)})`;
  const made = await tryRun(client, `CREATE TABLE ${table} (${columnDefinitions(target)})${partitioned}`);
  if (made !== undefined) return [`storage.postgres: partitionBy: ${made}`];
  const faults: string[] = [];
  for (const [place, index] of declaredIndexes(target, "TABLE").entries()) {
    const fault = await tryRun(client, indexStatement(index, `_proof_${place}`, table));
    if (fault !== undefined) faults.push(`storage.postgres: index on ${index.columns.join(", ")}: ${fault}`);
  }
  return faults;
}

/** Why a statement failed; the transaction goes on. */
async function tryRun(client: Client, statement: string): Promise<string | undefined> {
  await client.run("SAVEPOINT layout");
  try {
    await client.run(statement);
    await client.run("RELEASE SAVEPOINT layout");
    return undefined;
  } catch (error) {
    if (!(error instanceof StatementError) || error.retryable) throw error;
    await client.script(["ROLLBACK TO SAVEPOINT layout", "RELEASE SAVEPOINT layout"]);
    return error.message;
  }
}
