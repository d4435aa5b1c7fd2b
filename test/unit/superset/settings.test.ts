import { expect, test } from "vitest";
import { urlOf } from "../../../resources/superset/client/call.ts";
import { toRison } from "../../../resources/superset/client/rison.ts";
import { supersetSettings, tryGetSupersetSettings } from "../../../resources/superset/settings.ts";
import { supersetUuid } from "../../../resources/superset/uuid.ts";

const ACCOUNT = { SUPERSET_USERNAME: "service", SUPERSET_PASSWORD: "hunter2" };

test("the address has no slash at its end, and keeps the path that Superset is below", () => {
  const url = (text: string): string => supersetSettings({ ...ACCOUNT, SUPERSET_URL: text }).url;
  expect(url("http://127.0.0.1:8088/")).toBe("http://127.0.0.1:8088");
  expect(url("https://example.org/bi/superset/")).toBe("https://example.org/bi/superset");
  const call = { method: "GET", path: "/dataset/3", options: { query: { page: 1 } } } as const;
  expect(urlOf("https://example.org/bi", call).href).toBe(
    "https://example.org/bi/api/v1/dataset/3?q=%28%27page%27%3A1%29",
  );
});

test("without an address there is no Superset, and with one there has to be an account", () => {
  expect(tryGetSupersetSettings({ ...ACCOUNT, SUPERSET_URL: "" })).toBeUndefined();
  expect(() => supersetSettings({})).toThrow(/SUPERSET_URL is not set/);
  expect(() => supersetSettings({ SUPERSET_URL: "http://s" })).toThrow(/SUPERSET_API_KEY/);
});

test("half an account, two accounts, and an account in the address are refused without showing it", () => {
  const fault = (env: Record<string, string>): string => {
    try {
      return JSON.stringify(supersetSettings({ SUPERSET_URL: "http://s", ...env }));
    } catch (error) {
      return String(error);
    }
  };
  const faults = [
    fault({ SUPERSET_PASSWORD: "hunter2" }),
    fault({ ...ACCOUNT, SUPERSET_API_KEY: "sst_hunter2" }),
    fault({ ...ACCOUNT, SUPERSET_URL: "http://me:hunter2@s" }),
    fault({ ...ACCOUNT, SUPERSET_URL: "hunter2" }),
    fault({ ...ACCOUNT, SUPERSET_ADMIN_USERNAME: "admin" }),
    fault({ ...ACCOUNT, SUPERSET_TIMEOUT_SECONDS: "0" }),
    // Longer than `fetch` waits by itself.
    fault({ ...ACCOUNT, SUPERSET_TIMEOUT_SECONDS: "301" }),
  ];
  for (const text of faults) expect(text).toMatch(/^SupersetConfigError: SUPERSET_(?!.*hunter2)/);
});

test("Rison quotes every text, so that none is taken for something else", () => {
  expect(toRison({ a: ["!t", "it's", true, null, -1.5, 1e21], b: undefined, "c d": {} })).toBe(
    "('a':!('!!t','it!'s',!t,!n,-1.5,1e21),'c d':())",
  );
});

test("a UUID is that of its name for good, and names that look alike when joined have others", () => {
  expect(supersetUuid("dataset", "duckdb", "retail.user_count")).toBe("8616a53e-85dd-508e-8507-72c7034769aa");
  expect(supersetUuid("chart", "a", "b/c")).not.toBe(supersetUuid("chart", "a/b", "c"));
  expect(supersetUuid("chart", "a")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
