import { ProjectError } from "../definitions/project_error.ts";

/** The rows are not what the contract says. */
export class ContractError extends ProjectError {
  readonly code = "contract_broken";
  readonly retryable = false;
}

/** A copy reads the table of an asset that has none yet. */
export class MissingTableError extends ProjectError {
  readonly code = "undefined_relation";
  readonly retryable = false;

  constructor(assetKey: string, options?: ErrorOptions, what = "copied") {
    super(`${assetKey} cannot be ${what}, as it has no table yet: materialize it first`, options);
  }
}

/** Checks are to look at the table of an asset that has none yet. */
export class NothingPublishedError extends ProjectError {
  readonly code = "undefined_relation";
  readonly retryable = false;

  constructor(assetKey: string) {
    super(`${assetKey} has no table yet to be checked: materialize it first`);
  }
}

/** A table changed while it was compared with another one, in a store that has no snapshot of it. */
export class ChangedTableError extends ProjectError {
  readonly code = "table_changed";
  readonly retryable = true;

  constructor(name: string) {
    super(`${name} changed while it was compared, so that nothing is known of it: try again`);
  }
}

/** There is no room for a file on its way from one store to another. */
export class TransferDiskFullError extends ProjectError {
  readonly code = "disk_full";
  readonly retryable = false;
}

/** The environment does not say where the warehouse is or how to use it, or says it wrongly. */
export class ConfigError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/** A statement failed. The text and the parameters do not show when the error is printed. */
export class StatementError extends ProjectError {
  readonly code: string = "statement_failed";
  readonly retryable: boolean = false;
  readonly statement!: string;

  constructor(
    what: string,
    statement: string,
    cause: unknown,
    message = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
  ) {
    super(message, { cause });
    Object.defineProperty(this, "statement", { value: statement, enumerable: false });
  }
}

/** What was found in a table; `null` where there is none yet, since nothing was published. */
export async function nullWithoutTable<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof ProjectError && error.code === "undefined_relation") return null;
    throw error;
  }
}
