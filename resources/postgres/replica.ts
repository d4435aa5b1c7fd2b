import { ProjectError } from "../../definitions/project_error.ts";
import { tryUntilDone } from "../waiting.ts";
import type { PostgresConfig } from "./config.ts";
import { Connections, type Work } from "./connections.ts";
import { PostgresConfigError } from "./errors.ts";

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
  const { signal, log } = work;
  await tryUntilDone({ timeoutMs: primary.replicaTimeoutMs, signal, log }, async () => {
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
    if (missing <= 0n) return { done: undefined };
    return {
      message: `Waiting for ${place}, ${missing} bytes behind its primary`,
      timedOut: (seconds) =>
        new ReplicaBehindError(
          `${place} is ${missing} bytes behind its primary, still after ${seconds} s. Is it running and ` +
            `connected to ${primary.place}? Look at pg_stat_replication there, raise DATABASE_REPLICA_TIMEOUT_SECONDS, or leave out ${replica.config.variable}`,
        ),
    };
  });
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
