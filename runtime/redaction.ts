/** Masks secrets in a text on its way out. */
export type Redact = (text: string) => string;

/** Shorter values, such as "dev" or "5432", are no secrets worth guarding and would riddle the logs. */
const MIN_SECRET_LENGTH = 6;
const SECRET_NAME =
  /(^|_)(PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRETS?|TOKENS?|KEYS?|APIKEY|CREDENTIALS?)(_|$)|(PASSWORD|PASSWD|SECRET|TOKEN|APIKEY)$/i;
const URL_USER = /[a-z][a-z0-9+.-]*:\/\/([^\s/?#@]*(?:@[^\s/?#@]*)*)@/gi;
const URL_OPTION = /[?&]([^\s=&#]+)=([^\s&#]+)/g;
const HARMLESS = new Set(["true", "false", "none", "null", "enabled", "disabled", "default"]);

/**
 * Masks the secrets of the environment: the values of variables with a secret's name, and of such
 * options of URLs, and the passwords in URLs.
 * `dagster_project/redaction.py` goes by the same rules.
 */
export function createRedact(env: Readonly<Record<string, string | undefined>>): Redact {
  const found = new Set<string>();
  for (const [name, value = ""] of Object.entries(env)) {
    if (name === "PWD" || name === "OLDPWD") continue;
    if (SECRET_NAME.test(name)) for (const line of [value, ...value.split("\n")]) found.add(line.trim());
    for (const [, user = ""] of value.matchAll(URL_USER)) {
      const secret = user.includes(":") ? user.slice(user.indexOf(":") + 1) : user;
      found.add(secret);
      found.add(tryDecode(secret));
    }
    for (const [, option = "", secret = ""] of value.includes("://") ? value.matchAll(URL_OPTION) : []) {
      if (!SECRET_NAME.test(option)) continue;
      for (const text of [secret, tryDecode(secret), tryDecode(secret.replaceAll("+", " "))]) found.add(text);
    }
  }
  const secrets = [...found].filter((text) => text.length >= MIN_SECRET_LENGTH && !HARMLESS.has(text.toLowerCase()));
  if (secrets.length === 0) return (text) => text;
  // The longest first, so that no secret leaves a rest of another.
  const spellings = [...new Set(secrets.flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(spellings.map((text) => RegExp.escape(text)).join("|"), "g");
  return (text) => text.replaceAll(pattern, "[redacted]");
}

/** What a URL that is parsed and written again does not spell as it was, where a user or password stands. */
const KEPT_IN_URL = /[^A-Za-z0-9!$%&'()*+,\-._~]/gu;

/** As it is, as JSON, URLs and their options, JavaScript's `inspect` and Markdown escape it. */
function spellingsOf(secret: string): string[] {
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret.toWellFormed()),
    secret.toWellFormed().replaceAll(KEPT_IN_URL, (character) => encodeURIComponent(character)),
    new URLSearchParams({ "": secret }).toString().slice(1),
    secret.replaceAll("\\", "\\\\"),
    escapeMarkdown(secret),
  ];
}

/** Keeps text from being taken for Markdown. */
export function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\\|`*_[\]<>&]/g, (character) => `\\${character}`);
}

function tryDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
