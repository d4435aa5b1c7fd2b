import { setTimeout as wait } from "node:timers/promises";
import { ProjectError } from "../../definitions/project_error.ts";
import type { PostgresConfig } from "./config.ts";
import { Connections, type Work } from "./connections.ts";
import { PostgresConfigError } from "./errors.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;
const MESSAGE_AFTER_MS = 1_000;

/** The replica had not replayed in time what the primary had committed. */
export class ReplicaBehindError extends ProjectError {
  readonly code = "replica_behind";
  readonly retryable = true;
}

/**
 * Waits until a replica has replayed all that its primary has committed so far.
 *
 * @throws ReplicaBehindError
 */
export async function waitForReplica(
  replica: Connections,
  primary: PostgresConfig,
  work: Work & { readonly log: (message: string) => void },
): Promise<void> {
  const { place } = replica.config;
  const position = await committed(primary, work);
  const start = performance.now();
  let told = false;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    const missing = await replica.transaction({ ...work, isReadOnly: true }, async (client) => {
      const { rows } = await client.text(
        `SELECT pg_catalog.pg_is_in_recovery(),
          pg_catalog.pg_wal_lsn_diff('${position}', pg_catalog.pg_last_wal_replay_lsn())`,
      );
      const [[isReplica, bytes] = []] = rows;
      if (isReplica === "true") return BigInt(bytes ?? 0);
      throw new PostgresConfigError(
        `${replica.config.variable}: ${place} is no replica. Expected a streaming replica of DATABASE_URL; without one leave it out`,
      );
    });
    if (missing <= 0n) return;
    const waited = performance.now() - start;
    if (waited >= primary.replicaTimeoutMs) {
      throw new ReplicaBehindError(
        `${place} is ${missing} bytes behind its primary, still after ${Math.round(waited / 1000)} s. Is it running and ` +
          `connected to ${primary.place}? Look at pg_stat_replication there, raise DATABASE_REPLICA_TIMEOUT_SECONDS, or leave out ${replica.config.variable}`,
      );
    }
    if (waited >= MESSAGE_AFTER_MS && !told) work.log(`Waiting for ${place}, ${missing} bytes behind its primary`);
    told ||= waited >= MESSAGE_AFTER_MS;
    await wait(waitMs, undefined, { signal: work.signal }).catch((aborted: unknown) => {
      work.signal?.throwIfAborted();
      throw aborted;
    });
  }
}

/** The end of what is committed. Not of what is written: only that is sent to replicas which is on the disk. */
async function committed(primary: PostgresConfig, work: Work): Promise<string> {
  const connections = new Connections(primary);
  try {
    return await connections.transaction({ ...work, isReadOnly: true }, async (client) => {
      const { rows } = await client.text("SELECT pg_catalog.pg_current_wal_flush_lsn()");
      return rows[0]?.[0] ?? "0/0";
    });
  } finally {
    await connections.close();
  }
}
