import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Body } from "./body.ts";
import { refusals } from "./exception.ts";

/** A request as ClickHouse reads it: everything but the statement. */
export interface QueryRequest {
  readonly queryId: string;
  /** The part of the statement that is in the URL or a form; the body follows it. */
  readonly query: string;
  readonly database: string | undefined;
  readonly sessionId: string | undefined;
  readonly sessionTimeoutSeconds: number | undefined;
  readonly defaultFormat: string;
  readonly settings: ReadonlyMap<string, string>;
  readonly params: ReadonlyMap<string, string>;
  readonly isReadOnly: boolean;
  /** The answer is held back until it is complete, so that an error always has its own status. */
  readonly waitsForEnd: boolean;
  /** Whether the URL asks for a compressed answer. */
  readonly wantsCompression: boolean;
  /** A running read ends when its client goes away. */
  readonly endsWithClient: boolean;
}

/** URL parameters of the HTTP interface that are no settings. https://clickhouse.com/docs/interfaces/http */
const NO_SETTINGS = new Set([
  "query",
  "query_id",
  "database",
  "default_format",
  "user",
  "password",
  "quota_key",
  "role",
  "compress",
  "decompress",
  "buffer_size",
  "wait_end_of_query",
  "client_protocol_version",
  "stacktrace",
  "close_session",
  "session_timeout",
  "session_check",
  "session_id",
]);
const NAME = /^[A-Za-z_]\w*$/;

/** @throws {ClickHouseException} for what only a server can do */
export function parseRequest(request: IncomingMessage, url: URL, form: ReadonlyMap<string, string>): QueryRequest {
  const given = new Map([...url.searchParams, ...form]);
  for (const name of ["compress", "decompress"]) {
    if (given.get(name) === "1") throw refusals.notImplemented(`ClickHouse's own compression of bodies (${name}=1)`);
  }
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [name, value] of given) {
    if (name.startsWith("param_")) params.set(name.slice("param_".length), value);
    else if (!NO_SETTINGS.has(name) && NAME.test(name)) settings.set(name, value);
  }
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return {
    queryId: given.get("query_id") ?? header("x-clickhouse-query-id") ?? randomUUID(),
    query: given.get("query") ?? "",
    database: given.get("database") ?? header("x-clickhouse-database"),
    sessionId: given.get("session_id"),
    sessionTimeoutSeconds: given.has("session_timeout") ? Number(given.get("session_timeout")) : undefined,
    defaultFormat: given.get("default_format") ?? header("x-clickhouse-format") ?? "TabSeparated",
    settings,
    params,
    isReadOnly: request.method === "GET",
    waitsForEnd: isOn(given.get("wait_end_of_query")),
    wantsCompression: isOn(settings.get("enable_http_compression")),
    endsWithClient: isOn(settings.get("cancel_http_readonly_queries_on_client_close")),
  };
}

function isOn(value: string | undefined): boolean {
  return value === "1" || value === "true";
}

/** The fields of a form: clients send long parameters in one. */
export async function readForm(request: IncomingMessage, body: Body): Promise<ReadonlyMap<string, string>> {
  const type = request.headers["content-type"] ?? "";
  if (!type.startsWith("multipart/form-data")) return new Map();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- discouraged for strangers' uploads; these are ours
  const form = await new Response(await body.text(), { headers: { "content-type": type } }).formData();
  const fields = new Map<string, string>();
  for (const [name, value] of form) {
    if (typeof value !== "string") throw refusals.notImplemented("External tables in a form");
    fields.set(name, value);
  }
  return fields;
}

/** User and password, from wherever ClickHouse takes them. */
export function credentialsOf(request: IncomingMessage, url: URL): { user: string; password: string } {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  if (basic !== undefined) {
    const [user = "", ...password] = Buffer.from(basic, "base64").toString().split(":");
    return { user, password: password.join(":") };
  }
  const header = (name: string): string | undefined => request.headers[name]?.toString();
  return {
    user: header("x-clickhouse-user") ?? url.searchParams.get("user") ?? "default",
    password: header("x-clickhouse-key") ?? url.searchParams.get("password") ?? "",
  };
}
