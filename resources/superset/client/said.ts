/** What an answer says about its error: short, on one line. */
export function saidIn(text: string): string {
  return shorten(inJson(text) ?? inPage(text));
}

const LONGEST = 500;

function shorten(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

/** Superset has three shapes: `{message}`, `{errors: [{message}]}` and, of its token library, `{msg}`. */
function inJson(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return String(value);
  if ("errors" in value && Array.isArray(value.errors) && value.errors.length > 0) {
    return value.errors.map((error: unknown) => messageOf(error)).join("; ");
  }
  return messageOf(value);
}

function messageOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const said = "message" in value ? value.message : "msg" in value ? value.msg : value;
  return typeof said === "string" ? said : JSON.stringify(said);
}

/** The heading of a page for people, else its words. */
function inPage(text: string): string {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1];
  return title ?? text.replaceAll(/<[^>]*>/g, " ");
}

/** Whether an answer is one of the API: pages for people come of proxies, and of other servers. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether a 422 is about the token, not about what was asked. */
export function isAboutToken(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "msg" in value;
  } catch {
    return false;
  }
}
