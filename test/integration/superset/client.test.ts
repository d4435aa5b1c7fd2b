import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type LocalSuperset, localSuperset, SUPERSET_TIMEOUT_MS } from "./local_superset.ts";

let superset: LocalSuperset;
beforeAll(async () => {
  superset = await localSuperset();
}, SUPERSET_TIMEOUT_MS);

test("names with quotes, emoji and slashes are made, found by a filter and deleted", async () => {
  const client = superset.client();
  const name = `it's "a" 50% /slash\\ !(x:1,y:!t) 🦆 + & ü`;
  const { id } = await client.post("/css_template/", { template_name: name, css: "" }, z.object({ id: z.number() }));
  const template = z.object({ id: z.number(), template_name: z.string() });
  const found = await client.list("css_template", template, {
    filters: [{ column: "template_name", operator: "eq", value: name }],
    columns: ["template_name"],
  });
  expect(found).toEqual([{ id, template_name: name }]);
  expect(await client.delete(`/css_template/${id}`)).toBe(true);
  expect(await client.delete(`/css_template/${id}`)).toBe(false);
});
