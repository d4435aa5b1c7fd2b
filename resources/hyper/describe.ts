import type { Connection } from "pg";
import { resultTypeName } from "./type_names.ts";

/** A column that a statement would return. */
export interface ResultColumn {
  readonly name: string;
  readonly type: string;
}

/** What `pg` has and its types leave out. */
interface ParsingConnection {
  parse(statement: { readonly text: string; readonly types: readonly number[] }): void;
  describe(what: { readonly type: "S"; readonly name: string }): void;
  sync(): void;
}

interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number; readonly dataTypeModifier: number }[];
}

/** Lets the server parse a statement and say what it returns, without running it. */
export class Describe {
  readonly #text: string;
  readonly #types: readonly number[];
  readonly #result = Promise.withResolvers<readonly ResultColumn[] | undefined>();
  #columns: readonly ResultColumn[] | undefined;
  #error: Error | undefined;

  constructor(text: string, types: readonly number[]) {
    this.#text = text;
    this.#types = types;
    this.#result.promise.catch(() => undefined);
  }

  /** The columns; `undefined` for a statement that returns no rows. */
  get columns(): Promise<readonly ResultColumn[] | undefined> {
    return this.#result.promise;
  }

  // What follows is called by pg: https://github.com/brianc/node-postgres, packages/pg/lib/client.js.

  submit(connection: Connection): void {
    const parsing = connection as unknown as ParsingConnection;
    parsing.parse({ text: this.#text, types: this.#types });
    parsing.describe({ type: "S", name: "" });
    parsing.sync();
  }

  handleRowDescription({ fields }: RowDescription): void {
    this.#columns = fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
      name,
      type: resultTypeName(dataTypeID, dataTypeModifier),
    }));
  }

  handleError(error: Error): void {
    this.#error ??= error;
    this.#result.reject(this.#error);
  }

  handleReadyForQuery(): void {
    if (this.#error === undefined) this.#result.resolve(this.#columns);
  }

  handleCommandComplete(): void {
    // Nothing is run.
  }

  handleDataRow(): void {
    // Nothing is run.
  }

  handleEmptyQuery(): void {
    // Nothing is run.
  }

  handlePortalSuspended(): void {
    // Nothing is run.
  }
}
