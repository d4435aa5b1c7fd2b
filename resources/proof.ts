import type { MaterializedView } from "../definitions/body.ts";
import type { Check } from "../definitions/check.ts";
import type { Sql } from "../definitions/sql.ts";
import type { Target } from "./store.ts";

/** SQL to be held against its contract. Of several claims about one asset, the last one says what its table has. */
export interface Claim {
  readonly target: Target;
  /** Keys of the assets that the SQL may read. */
  readonly deps: readonly string[];
  /** The query of the asset; `null` where rows come from elsewhere. */
  readonly sql: Sql | null;
  readonly checks: readonly Check[];
  /** How a materialised view is refreshed; `null`: it is a table. */
  readonly view?: MaterializedView["refresh"] | null | undefined;
}

/** What an engine says against a claim. */
export interface Disproof {
  readonly target: Target;
  readonly code: "bad_sql" | "contract_mismatch" | "undeclared_reference" | "bad_option";
  /** The check that it is about; `null`: the query. */
  readonly check: string | null;
  readonly message: string;
  /** Line of the query, counted from 1, where the engine knows it. */
  readonly line: number | undefined;
}
