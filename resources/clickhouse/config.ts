import { readFileSync } from "node:fs";
import { ProjectError } from "../../definitions/project_error.ts";
import { hasFixedPath, isOnAllReplicas } from "./replicated_engine.ts";

/** The environment does not say where ClickHouse is, or says it wrongly. */
export class ClickHouseConfigError extends ProjectError {
  readonly code = "bad_configuration";
  readonly retryable = false;
}

/** Where ClickHouse is and how to talk to it. */
export interface ClickHouseConfig {
  /** `http://user:password@host:8123`, or `https://…`. */
  readonly url: URL;
  /** The longest that one statement may run. */
  readonly statementTimeoutSeconds: number;
  /** How long a publish waits for another publish of the same table. */
  readonly lockTimeoutMs: number;
  /** Certificate of the authority that signed the server's; `null`: those that Node knows. */
  readonly certificateAuthority: Buffer | null;
  /** Runs DDL on all nodes of this cluster; `null`: on the node that answers. */
  readonly cluster: string | null;
  /** The engine of new tables, such as `ReplicatedMergeTree`. */
  readonly engine: string;
}

/**
 * Reads the configuration off the environment.
 *
 * - `CLICKHOUSE_URL`: user, password, host and port. Required.
 * - `CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS`: limit of one statement. Default: 300.
 * - `CLICKHOUSE_LOCK_TIMEOUT_SECONDS`: how long to wait for another publish of the same table. Default: 300.
 * - `CLICKHOUSE_CA_FILE`: certificate of the authority that signed the server's.
 * - `CLICKHOUSE_CLUSTER`: runs DDL `ON CLUSTER`.
 * - `CLICKHOUSE_ENGINE`: engine of new tables. Default: `MergeTree`, on a cluster `ReplicatedMergeTree`.
 *
 * @throws ClickHouseConfigError
 */
export function clickhouseConfig(env: Readonly<Record<string, string | undefined>>): ClickHouseConfig {
  const given = env["CLICKHOUSE_URL"];
  if (given === undefined || given === "") {
    throw new ClickHouseConfigError(
      "CLICKHOUSE_URL is not set: expected http://user:password@host:8123, or https://… for a server with TLS",
    );
  }
  if (!URL.canParse(given) || !["http:", "https:"].includes(new URL(given).protocol)) {
    throw new ClickHouseConfigError(
      "CLICKHOUSE_URL: expected http://user:password@host:8123 or https://…, got something else (not shown: it may hold a password)",
    );
  }
  requirePercentEncoded(new URL(given));
  const cluster = env["CLICKHOUSE_CLUSTER"] ?? null;
  const engine = env["CLICKHOUSE_ENGINE"] ?? (cluster === null ? "MergeTree" : "ReplicatedMergeTree");
  if (!/^(Replicated|Shared)?MergeTree(\(.*\))?$/s.test(engine)) {
    throw new ClickHouseConfigError(
      `CLICKHOUSE_ENGINE: expected MergeTree, ReplicatedMergeTree or SharedMergeTree, got ${JSON.stringify(engine)}: ` +
        "others put rows together, or keep none",
    );
  }
  if (cluster !== null && !isOnAllReplicas(engine)) {
    throw new ClickHouseConfigError(
      `CLICKHOUSE_ENGINE: expected a replicated engine on the cluster ${JSON.stringify(cluster)} (CLICKHOUSE_CLUSTER), got ${JSON.stringify(engine)}: the other nodes would have no rows`,
    );
  }
  if (hasFixedPath(engine)) {
    throw new ClickHouseConfigError(
      `CLICKHOUSE_ENGINE: expected a path with {uuid}, or none, got ${JSON.stringify(engine)}: every table would have the same`,
    );
  }
  const authority = env["CLICKHOUSE_CA_FILE"];
  return {
    url: new URL(given),
    statementTimeoutSeconds: seconds(env, "CLICKHOUSE_STATEMENT_TIMEOUT_SECONDS"),
    lockTimeoutMs: seconds(env, "CLICKHOUSE_LOCK_TIMEOUT_SECONDS") * 1000,
    certificateAuthority: authority === undefined ? null : readAuthority(authority),
    cluster,
    engine,
  };
}

/** The driver decodes user, password and path, and says of a fault only that the URI is malformed. */
function requirePercentEncoded({ username, password, pathname }: URL): void {
  for (const [part, text] of Object.entries({ user: username, password, path: pathname })) {
    try {
      decodeURIComponent(text);
    } catch {
      throw new ClickHouseConfigError(
        `CLICKHOUSE_URL: its ${part} has a % that begins no percent-encoded character (not shown): write % itself as %25`,
      );
    }
  }
}

function readAuthority(file: string): Buffer {
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch (error) {
    throw new ClickHouseConfigError(`CLICKHOUSE_CA_FILE: ${file} cannot be read`, { cause: error });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new ClickHouseConfigError(
    `CLICKHOUSE_CA_FILE: ${file} holds nothing in PEM format, expected -----BEGIN …-----`,
  );
}

const DEFAULT_SECONDS = 300;

function seconds(env: Readonly<Record<string, string | undefined>>, name: string): number {
  const value = Number(env[name] ?? DEFAULT_SECONDS);
  if (Number.isFinite(value) && value > 0) return value;
  throw new ClickHouseConfigError(`${name}: expected seconds above 0, got ${JSON.stringify(env[name])}`);
}
