import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "../../../definitions/index.ts";
import { postgresConfig } from "../../../resources/postgres/config.ts";
import { PostgresStore } from "../../../resources/postgres/postgres_store.ts";
import { attempt, targetOf } from "../duckdb/warehouse.ts";
import { Server } from "./server.ts";

let folder: string;
let server: Server;
let ca: string;
let otherCa: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "postgres-tls-"));
  ca = certificate("ca");
  otherCa = certificate("other");
  // For the name localhost, not for the address 127.0.0.1.
  const certFile = certificate("server", ca);
  server = await Server.start({ tls: { certFile, keyFile: join(folder, "server.key") } });
}, 900_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Makes a key and a certificate, signed by itself or by `issuer`, and returns the path of the certificate. */
function certificate(name: string, issuer?: string): string {
  const file = join(folder, `${name}.pem`);
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const signed = issuer === undefined ? [] : ["-CA", issuer, "-CAkey", issuer.replace(".pem", ".key")];
  const kind =
    issuer === undefined
      ? ["-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE"]
      : ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
  execFileSync("openssl", [...args, ...signed, ...kind, "-keyout", join(folder, `${name}.key`), "-out", file], {
    stdio: "ignore",
  });
  return file;
}

async function isEncrypted(host: string, options: Readonly<Record<string, string>>): Promise<string> {
  const url = new URL(server.url);
  url.hostname = host;
  for (const [name, value] of Object.entries(options)) url.searchParams.set(name, value);
  const store = new PostgresStore(postgresConfig({ DATABASE_URL: url.href }), folder);
  try {
    const given = attempt();
    const target = targetOf({ id: z.int32() });
    await store.findPublished(target, given);
    const sessions =
      "SELECT version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    return (await server.sql(sessions)).map(([version]) => version ?? "none").join();
  } finally {
    await store.close();
  }
}

test("the connection is encrypted as the URL says, and the certificate verified as it says", async () => {
  expect(await isEncrypted("localhost", { sslmode: "disable" })).toBe("none");
  expect(await isEncrypted("localhost", { sslmode: "require" })).toBe("TLSv1.3");
  expect(await isEncrypted("127.0.0.1", { sslmode: "verify-ca", sslrootcert: ca })).toBe("TLSv1.3");
  expect(await isEncrypted("localhost", { sslmode: "verify-full", sslrootcert: ca })).toBe("TLSv1.3");
});

test.each([
  ["an unknown authority", "localhost", () => ({ sslmode: "verify-full", sslrootcert: otherCa })],
  [
    "an unknown authority, required with a root certificate",
    "localhost",
    () => ({ sslmode: "require", sslrootcert: otherCa }),
  ],
  ["an authority that the system does not know", "localhost", () => ({ sslmode: "verify-full" })],
  ["another name than the certificate's", "127.0.0.1", () => ({ sslmode: "verify-full", sslrootcert: ca })],
])("%s is refused, with what to look at", async (_name, host, options) => {
  const connecting = isEncrypted(host, options());
  await expect(connecting).rejects.toMatchObject({ code: "postgres_tls_failed", retryable: false });
  await expect(connecting).rejects.toThrow(/sslmode, sslrootcert/);
});

test("a key of another certificate is no matter of time", async () => {
  const options = { sslmode: "verify-full", sslrootcert: ca, sslcert: ca, sslkey: join(folder, "other.key") };
  const connecting = isEncrypted("localhost", options);
  await expect(connecting).rejects.toMatchObject({ code: "postgres_tls_failed", retryable: false });
  await expect(connecting).rejects.toThrow(/sslcert and sslkey/);
});

test("a server without TLS, a mode that is none and a certificate that is not there are told apart", async () => {
  const plain = await Server.start();
  try {
    const store = new PostgresStore(postgresConfig({ DATABASE_URL: `${plain.url}?sslmode=require` }), folder);
    await expect(store.findPublished(targetOf({ id: z.int32() }), attempt())).rejects.toMatchObject({
      code: "postgres_tls_failed",
    });
  } finally {
    await plain.stop();
  }
  const config = (options: string) => (): unknown => postgresConfig({ DATABASE_URL: `${server.url}?${options}` });
  expect(config("sslmode=prefer")).toThrow(/verify-full/);
  // The driver's own options would win over the mode.
  for (const ssl of ["0", "no-verify", "true"])
    expect(config(`sslmode=verify-full&ssl=${ssl}`)).toThrow(/^ssl in DATABASE_URL: .*sslmode/);
  expect(config("sslmode=verify-full&sslnegotiation=direct")).toThrow(/^sslnegotiation in DATABASE_URL: .*sslmode/);
  expect(config("sslmode=verify-full&sslrootcert=/none.pem")).toThrow(/none\.pem/);
  // An empty text would be none to Node, which then trusts every public authority.
  const empty = join(folder, "empty.pem");
  writeFileSync(empty, "");
  expect(config(`sslmode=verify-full&sslrootcert=${empty}`)).toThrow(/empty\.pem holds nothing in PEM format/);
  expect(config(`sslmode=verify-full&sslrootcert=${ca}&sslcert=${ca}`)).toThrow(/expected both sslcert and sslkey/);
  expect(config("connect_timeout=soon")).toThrow(/connect_timeout/);
});

test("where a server can be found, without user and password", () => {
  const store = new PostgresStore(
    postgresConfig({ DATABASE_URL: "postgres://u:s3cret@h.example/db?sslmode=disable" }),
    folder,
  );
  expect(store.uri(targetOf({ id: z.int32() }, "retail/x"))).toBe("postgres://h.example:5432/db#retail.x");
});
