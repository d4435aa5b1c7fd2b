import { join } from "node:path";
import type { Rows } from "../definitions/body.ts";
import { ProjectError } from "../definitions/project_error.ts";
import type { RowWriter, Staged, Target } from "../resources/store.ts";
import { arrowPages, isArrow } from "./arrow_rows.ts";
import { evolvedColumns } from "./evolved.ts";
import { EvolvingWriter } from "./evolving_writer.ts";
import { RowContract } from "./row_contract.ts";
import type { StagedBody, Staging } from "./stage.ts";
import { RowValidator } from "./validate_rows.ts";

/** More rows broke the contract than the asset allows. */
export class QuarantineLimitError extends ProjectError {
  readonly code = "quarantine_limit";
  readonly retryable = false;
}

/** Beyond the limit, so many more bad rows are kept to look at before the body is stopped. */
const BAD_ROWS_TO_SHOW = 1_000;
/** Rows yielded one by one are validated and written in pages of this size. */
const PAGE_ROWS = 2_048;
const PROGRESS_EVERY_MS = 5_000;

/** Rows in staging, and how many there were. */
interface StagedRows {
  readonly staged: Staged;
  readonly read: number;
  readonly quarantined: number;
}

/**
 * Holds the rows of a body to the contract, as its policy says, and stages them.
 *
 * @throws QuarantineLimitError, and ContractError where new columns have no type
 */
export async function stageHeldRows(staging: Staging, rows: Rows<unknown>["rows"]): Promise<StagedBody> {
  const { asset, target, stores, attempt, inTurn } = staging;
  const { columns: schema, contract: policy = "freeze" } = asset.defined.options;
  if (schema === undefined) throw new TypeError(`${asset.key} has no columns`);
  const store = await stores.get(asset.store);
  const open = (to: Target): Promise<RowWriter> => inTurn(() => store.stageRows(to, attempt));
  if (policy !== "evolve") {
    const contract = new RowContract(schema, target, policy);
    const staged = await stageRows(staging, contract, rows, await open(target));
    return { ...staged, target, differences: contract.differences() };
  }
  const known = {
    ...target,
    columns: [...target.columns, ...(await inTurn(() => evolvedColumns(store, target, attempt)))],
  };
  return await stores.withTransferFolder(target.assetKey, attempt.runId, async (folder) => {
    const writer = new EvolvingWriter(join(folder, "rows"), target, known, open);
    const staged = await stageRows(staging, new RowContract(schema, known, policy), rows, writer);
    return { ...staged, target: writer.target, differences: writer.differences() };
  });
}

/**
 * Runs a `rows` body, validates what it yields and stages it; rows that break the contract go to the quarantine.
 *
 * @throws QuarantineLimitError
 */
async function stageRows(
  { asset, context, cursor }: Pick<Staging, "asset" | "context" | "cursor">,
  contract: RowContract,
  rows: Rows<unknown>["rows"],
  writer: RowWriter | EvolvingWriter,
): Promise<StagedRows> {
  const maxRows = asset.defined.options.quarantine?.maxRows ?? 0;
  const validator = new RowValidator(contract.schema, contract.columns);
  let quarantined = 0;
  let firstReason = "";
  const write = async (page: Iterable<unknown>): Promise<void> => {
    const { good, bad } = validator.validate(contract.look(page));
    await writer.append(good);
    for (const row of bad) {
      writer.quarantine(row);
      firstReason ||= `row ${row.rowNumber}: ${row.reason}`;
    }
    quarantined += bad.length;
  };
  const saveCursor = (text: string): void => {
    if (cursor === null) throw new TypeError("saveCursor: the asset has no cursor: say write: append() or merge()");
    cursor.save(text);
  };
  const isOver = (): boolean => quarantined > maxRows;

  try {
    let pending: unknown[] = [];
    let nextProgress = performance.now() + PROGRESS_EVERY_MS;
    for await (const item of rows({ ...context, row: (row) => row, cursor: cursor?.start ?? null, saveCursor })) {
      context.signal.throwIfAborted();
      if (isArrow(item)) {
        for (const page of arrowPages(item, contract.columns, writer instanceof EvolvingWriter ? writer : undefined))
          await write(page);
      } else if (Array.isArray(item)) {
        // What validation makes of a large page is garbage again before the next part.
        for (let start = 0; start < item.length; start += PAGE_ROWS) await write(item.slice(start, start + PAGE_ROWS));
      } else if (pending.push(item) >= PAGE_ROWS) {
        await write(pending);
        pending = [];
      }
      if (quarantined > maxRows + BAD_ROWS_TO_SHOW) break;
      if (performance.now() >= nextProgress) {
        context.log.info(`${(validator.seen + pending.length).toLocaleString("en")} rows read`);
        nextProgress = performance.now() + PROGRESS_EVERY_MS;
      }
    }
    if (!isOver()) await write(pending);
    context.signal.throwIfAborted();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  if (isOver()) {
    await writer.fail();
    throw new QuarantineLimitError(
      `${quarantined} of ${validator.seen} rows broke the contract of ${asset.key}, ${maxRows} allowed; nothing was published. ` +
        `First: ${firstReason}. All of them, up to the limit and ${BAD_ROWS_TO_SHOW} more: table _dagster_typescript.quarantine.`,
    );
  }
  return { staged: await writer.finish(), read: validator.seen, quarantined };
}
