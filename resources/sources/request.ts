import { InvalidRequestError } from "./errors.ts";

/** A request that can be sent, and how to speak of it without giving away what is secret in it. */
export interface PreparedRequest {
  readonly url: URL;
  readonly headers: Headers;
  /** `GET` with scheme, host and path: no user, no query, no fragment. */
  readonly label: string;
  /** Takes the values of headers and query parameters out of text that came from elsewhere. */
  readonly redact: (text: string) => string;
}

/** Header values that are the same for everybody. */
const PUBLIC_HEADERS: ReadonlySet<string> = new Set(["accept", "accept-language", "content-type", "user-agent"]);
/** Shorter values are no secrets, and masking them would garble every message. */
const SHORTEST_SECRET = 6;

/**
 * Moves user and password from the URL into a header (`fetch` refuses such a URL and prints it).
 *
 * @throws InvalidRequestError without the offending value
 */
export function prepareRequest(
  url: string | URL,
  headers: Readonly<Record<string, string>> | undefined,
): PreparedRequest {
  const target = parseUrl(url);
  const all = parseHeaders(headers);
  const secrets = new Set<string>();
  if (target.username !== "" || target.password !== "") {
    const user = decode(target.username);
    const password = decode(target.password);
    secrets.add(password).add(target.password);
    if (!all.has("authorization")) {
      all.set("authorization", `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`);
    }
    target.username = "";
    target.password = "";
  }
  for (const [name, value] of all) {
    if (PUBLIC_HEADERS.has(name)) continue;
    for (const part of [value, ...value.split(/[\s,;=]+/)]) secrets.add(part);
  }
  for (const value of target.searchParams.values()) secrets.add(value).add(encodeURIComponent(value));
  if (!all.has("accept")) all.set("accept", "application/json");
  const masked = [...secrets].filter((secret) => secret.length >= SHORTEST_SECRET).sort((a, b) => b.length - a.length);
  return {
    url: target,
    headers: all,
    label: `GET ${target.origin}${target.pathname}`,
    redact: (text) => masked.reduce((rest, secret) => rest.replaceAll(secret, "***"), text),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parseUrl(url: string | URL): URL {
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol)) {
    // The parser's own error carries the URL, and with it the secrets.
    throw new InvalidRequestError("The URL of the source is not an absolute http or https URL.");
  }
  return parsed;
}

function parseHeaders(headers: Readonly<Record<string, string>> | undefined): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers ?? {})) {
    try {
      all.set(name, value);
    } catch {
      // The parser's own error carries the value. A line break at the end of a secret read from a file is the usual cause.
      throw new InvalidRequestError(
        `The header ${JSON.stringify(name)} has a name or a value that HTTP does not allow.`,
      );
    }
  }
  return all;
}
