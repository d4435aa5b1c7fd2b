import { startClickHouse } from "./clickhouse.ts";
import type { Engine, EngineName, EngineOptionsOf } from "./engine.ts";
import { startHyper } from "./hyper.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { startPostgres } from "./postgres.ts";

const STARTERS: { readonly [N in EngineName]: (options: EngineOptionsOf[N]) => Promise<Engine> } = {
  postgres: startPostgres,
  clickhouse: startClickHouse,
  hyper: startHyper,
  pgbouncer: startPgBouncer,
};

/**
 * Starts an engine on 127.0.0.1, installing it first where it is missing, and waits until it answers.
 *
 * @example
 * await using engine = await startEngine("postgres", { dataDir: ".state/engines/data/postgres" });
 * const client = new pg.Client({ connectionString: engine.url });
 * @throws {EngineFault}
 */
export function startEngine<N extends EngineName>(name: N, options: EngineOptionsOf[N]): Promise<Engine> {
  return STARTERS[name](options);
}
