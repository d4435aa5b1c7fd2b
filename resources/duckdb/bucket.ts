import type { ArchivePlace } from "../archive_folder.ts";
import { ConfigError } from "../errors.ts";
import { literal, quote } from "../quote.ts";
import type { Environment } from "../store.ts";
import type { Client } from "./client.ts";
import { loadExtension } from "./extension.ts";

const EXTENSION = { name: "httpfs", variable: "DUCKDB_HTTPFS_EXTENSION" };
const SECRET = quote("_dagster_typescript_s3");

/** Whether an archive is in a bucket, and not in a folder. */
export function isBucket(to: string): boolean {
  return to.startsWith("s3://");
}

/**
 * Lets a connection read and write buckets, with the keys that the variables `AWS_…` hold; without them, with the secrets
 * that DuckDB knows of itself.
 *
 * @throws ConfigError where DuckDB's extension `httpfs` is missing
 */
export async function openBuckets(client: Client, projectDir: string, env: Environment): Promise<void> {
  if (!(await loadExtension(client, EXTENSION, projectDir)))
    throw new ConfigError(
      "an archive in S3 needs DuckDB's extension httpfs, in the version of the engine: install the Python package " +
        "duckdb-extension-httpfs into .venv, or INSTALL httpfs in DuckDB, or name its file in DUCKDB_HTTPFS_EXTENSION",
    );
  const { AWS_ACCESS_KEY_ID: id = "", AWS_SECRET_ACCESS_KEY: secret = "" } = env;
  if (id === "" || secret === "") return;
  const endpoint = env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? "";
  const options: [name: string, value: string][] = [
    ["KEY_ID", id],
    ["SECRET", secret],
    ["SESSION_TOKEN", env["AWS_SESSION_TOKEN"] ?? ""],
    ["REGION", env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? ""],
  ];
  if (endpoint !== "") {
    options.push(["ENDPOINT", endpoint.replace(/^https?:\/\//, "").replace(/\/+$/, "")], ["URL_STYLE", "path"]);
    options.push(["USE_SSL", String(!endpoint.startsWith("http://"))]);
  }
  const list = options.filter(([, value]) => value !== "").map(([name, value]) => `${name} ${literal(value)}`);
  try {
    await client.run(`CREATE OR REPLACE TEMPORARY SECRET ${SECRET} (TYPE s3, ${list.join(", ")})`);
  } catch {
    // The engine's message may repeat a key.
    throw new ConfigError("DuckDB refuses the keys for S3 in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION");
  }
}

/**
 * An archive in a bucket. An object appears when it is whole. None is removed, for which no right is needed then: what is
 * not needed any more is written over when its partition is archived again.
 */
export function archiveBucket(client: Client, to: string): ArchivePlace {
  const uri = (name: string): string => `${to.replace(/\/+$/, "")}/${name}`;
  return {
    uri,
    put: async (name, fill) => {
      await fill(uri(name));
      const { rows } = await client.text(`SELECT size FROM read_blob(${literal(uri(name))})`);
      return { bytes: Number(rows[0]?.[0]), sha256: null };
    },
    sizes: async () => {
      const { rows } = await client.text(`SELECT file FROM glob(${literal(uri("**"))})`);
      return new Map(rows.map(([file]) => [(file ?? "").slice(uri("").length), null]));
    },
    // Its rows are counted and hashed when they are read.
    sha256: () => Promise.resolve(null),
    remove: null,
  };
}
