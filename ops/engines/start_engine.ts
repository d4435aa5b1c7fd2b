import { startClickHouse } from "./clickhouse.ts";
import type { Engine, EngineName, EngineOptionsOf, LocalSuperset } from "./engine.ts";
import { startHyper } from "./hyper.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { startSuperset } from "./superset.ts";

/** What a start gives, by engine. */
type Started<N extends EngineName> = N extends "superset" ? LocalSuperset : Engine;

const STARTERS: { readonly [N in EngineName]: (options: EngineOptionsOf[N]) => Promise<Started<N>> } = {
  postgres: startPostgres,
  clickhouse: startClickHouse,
  hyper: startHyper,
  pgbouncer: startPgBouncer,
  redis: startRedis,
  superset: startSuperset,
};

/**
 * Starts an engine on 127.0.0.1, installing it first where it is missing, and waits until it answers.
 *
 * @example
 * await using engine = await startEngine("postgres", { dataDir: ".state/engines/data/postgres" });
 * const client = new pg.Client({ connectionString: engine.url });
 * @throws {EngineFault}
 */
export function startEngine<N extends EngineName>(name: N, options: EngineOptionsOf[N]): Promise<Started<N>> {
  return STARTERS[name](options);
}
