import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { assetFile, createProject } from "./project.ts";

const sales = (amount: string): string =>
  assetFile(
    "shop/sales",
    `columns: z.strictObject({ id: z.int(), amount: d.decimal(12, 2) }), superset: {},
      body: { async *rows() { yield { id: 1, amount: "${amount}" }; } }`,
  );

test("the snapshot stands between tables and datasets, and is another one only when tables have changed", async () => {
  const project = createProject({
    "assets/shop/sales.ts": sales("1.50"),
    "assets/shop/hidden.ts": assetFile(
      "shop/hidden",
      `columns: z.strictObject({ id: z.int() }), body: sql\`SELECT 1::BIGINT AS id\``,
    ),
  });
  const { manifest } = await project.manifest();
  const nodes = Object.fromEntries(
    manifest.assets.map(({ key, deps }) => [key.join("/"), deps.map((dep) => dep.join("/"))]),
  );
  expect(nodes).toMatchObject({
    "superset/snapshot": ["shop/sales"],
    "superset/dataset/shop/sales": ["shop/sales", "superset/snapshot"],
  });
  expect(manifest.assets.find(({ key }) => key.join("/") === "superset/snapshot")).toMatchObject({
    automation: { kind: "eager" },
    exclusive: "duckdb:warehouse",
    pool: "superset_snapshot",
  });
  expect((await project.run(["shop/sales", "shop/hidden"]).ended).code).toBe(0);
  const publish = async (): Promise<string> => {
    const step = project.launch("superset/snapshot");
    expect((await step.ended).code).toBe(0);
    const found = step.messages().find(({ method }) => method === "report_asset_materialization");
    // Its data version stays, or datasets would look out of date when another table has changed.
    expect(found?.params).toMatchObject({
      data_version: "current",
      metadata: {
        tables: { raw_value: "- shop.sales: 1 rows" },
        snapshot: { raw_value: expect.any(String) as string },
      },
    });
    return z.object({ snapshot: z.object({ raw_value: z.string() }) }).parse(found?.params["metadata"]).snapshot
      .raw_value;
  };
  const first = await publish();
  expect(await publish()).toBe(first);
  project.write({ "assets/shop/sales.ts": sales("2.50"), "assets/shop/broken.ts": "throw new Error('x');\n" });
  expect((await project.run(["shop/sales"]).ended).code).toBe(0);
  expect(await publish()).not.toBe(first);
  expect(readdirSync(join(project.dir, "published", "files"))).toEqual(["shop.sales"]);
});
