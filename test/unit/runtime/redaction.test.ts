import { expect, test } from "vitest";
import { createRedact } from "../../../runtime/redaction.ts";

const redact = (text: string, env: Readonly<Record<string, string>>): string => createRedact(env)(text);

test.each([
  "DB_PASSWORD",
  "PGPASSWORD",
  "db_password",
  "AWS_SECRET_ACCESS_KEY",
  "API_TOKEN",
  "GITHUB_TOKEN",
  "SSH_KEY",
  "MY_CREDENTIALS",
  "X_PASS",
  "APIKEY",
])("the value of %s is masked, each time", (name) => {
  expect(redact("a hidden-1 b hidden-1", { [name]: "hidden-1" })).toBe("a [redacted] b [redacted]");
});

test.each(["HOME", "PWD", "OLDPWD", "KEYBOARD", "MONKEY", "PASSENGER", "TOKENIZER"])(
  "the value of %s is not",
  (name) => {
    expect(redact("/home/user", { [name]: "/home/user" })).toBe("/home/user");
  },
);

test("passwords in URLs are masked, as they are written and as they are meant", () => {
  const env = { DATABASE: "postgres://user:p%40ss%2Fword@host/db", OTHER: "https://token-only@host" };
  expect(redact("p%40ss%2Fword p@ss/word token-only host user", env)).toBe(
    "[redacted] [redacted] [redacted] host user",
  );
  expect(redact("a:b@c", { URL: "redis://:p@ss:word@host" })).toBe("a:b@c");
  expect(redact("p@ss:word", { URL: "redis://:p@ss:word@host" })).toBe("[redacted]");
});

test("passwords in URLs are masked as a URL that is parsed and written again spells them, also where they are options", () => {
  for (const url of [
    "postgres://u:$ecret=1-long@host/db",
    "postgres://u:p%40ss%2fw;rd^é@host/db",
    "postgres://host/db?user=u&password=que~ry%20s'ecret",
    "postgres://host/db?sslpassword=query+secret#end",
  ]) {
    const written = new URL(url);
    written.searchParams.set("application_name", "x");
    for (const text of [url, new URL(url).href, written.href])
      expect(redact(text, { DATABASE_URL: url })).not.toMatch(/ecret|ss%2fw/);
  }
  expect(
    redact("postgres://host/db?sslmode=disabled-not", { URL: "postgres://host/db?sslmode=disabled-not" }),
  ).toContain("disabled-not");
});

test("a secret is masked as JSON spells it, line by line, and whole before any part of it", () => {
  const env = {
    A_SECRET: `quo"te\\d`,
    B_SECRET: "long-secret-value",
    C_SECRET: "long-secret",
    KEY_KEY: "line one\nline two",
  };
  expect(redact(JSON.stringify({ a: `quo"te\\d` }), env)).toBe('{"a":"[redacted]"}');
  expect(redact("long-secret-value long-secret", env)).toBe("[redacted] [redacted]");
  expect(redact("line two", env)).toBe("[redacted]");
});

test("short and harmless values would riddle the text, so they stay", () => {
  expect(
    redact("true dev disabled 5432", { A_TOKEN: "true", B_KEY: "dev", C_SECRET: "disabled", D_PASSWORD: "5432" }),
  ).toBe("true dev disabled 5432");
});

test("a secret with the signs of a pattern is taken as it is", () => {
  expect(redact("a+b(c)*$1[x] aab", { A_SECRET: "a+b(c)*$1[x]" })).toBe("[redacted] aab");
});
