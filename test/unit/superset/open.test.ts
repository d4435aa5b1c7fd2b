import { expect, test } from "vitest";
import { openSuperset } from "../../../resources/superset/open.ts";

const SERVICE = { SUPERSET_URL: "http://localhost:8088", SUPERSET_USERNAME: "etl", SUPERSET_PASSWORD: "secret" };

test("an account that is service account and administrator logs in once: both are the same client", () => {
  const both = { ...SERVICE, SUPERSET_ADMIN_USERNAME: "etl", SUPERSET_ADMIN_PASSWORD: "secret" };
  const { client, admin } = openSuperset(both);
  expect(admin).toBe(client);
});

test("an administrator of its own has a client of its own, and without one there is none", () => {
  const own = { ...SERVICE, SUPERSET_ADMIN_USERNAME: "admin", SUPERSET_ADMIN_PASSWORD: "secret" };
  const { client, admin } = openSuperset(own);
  expect(admin).toBeDefined();
  expect(admin).not.toBe(client);
  expect(openSuperset(SERVICE).admin).toBeUndefined();
});
