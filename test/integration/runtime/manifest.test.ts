import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { assetFile, createProject, Project } from "./project.ts";

const ids = `columns: z.strictObject({ id: z.int32() })`;
const cells = `columns: z.strictObject({ day: d.date(), shop: z.string() })`;
const days = `d.daily("day", { start: "2017-01-01" })`;
const source = (key: string, extra = ""): string =>
  assetFile(key, `${ids}, ${extra} body: { async *rows({ row }) { yield row({ id: 1 }); } }`);

/** One of each: path to source. The fault that each must give stands below. */
const FAULTY: Readonly<Record<string, string>> = {
  "assets/a/good.ts": source("a/good"),
  "assets/a/good_query.ts": assetFile(
    "a/good_query",
    `${ids}, body: d.query("a/good_query.sql", { good })`,
    `import { good } from "./good.ts";`,
  ),
  "sql/a/good_query.sql": "SELECT id\nFROM {good};\n",
  "assets/a/unknown_reference.ts": assetFile(
    "a/unknown_reference",
    `${ids}, body: sql\`SELECT id FROM \${{ kind: "table", assetKey: "a/nowhere" }}\``,
  ),
  "assets/a/cycle_one.ts": assetFile(
    "a/cycle_one",
    `${ids}, body: sql\`SELECT id FROM \${{ kind: "table", assetKey: "a/cycle_two" }}\``,
  ),
  "assets/a/cycle_two.ts": assetFile(
    "a/cycle_two",
    `${ids}, body: sql\`SELECT id FROM \${{ kind: "table", assetKey: "a/cycle_one" }}\``,
  ),
  "assets/a/import_one.ts": `import { import_two } from "./import_two.ts";\n${source("a/import_one")}void import_two;\n`,
  "assets/a/import_two.ts": `import { import_one } from "./import_one.ts";\n${source("a/import_two")}void import_one;\n`,
  "assets/a/twice.ts": source("a/twice"),
  "assets/a/again.ts": source("a/twice"),
  "assets/a/path.ts": source("a/unlike_path"),
  "assets/a/bad_column.ts": assetFile(
    "a/bad_column",
    `columns: z.strictObject({ at: z.date(), id: z.int32() }), body: { async *rows() {} }`,
  ),
  "assets/a/bad_key.ts": source("a/bad-key").replace("bad-key =", "bad_key ="),
  "assets/a/bad_placeholder.ts": assetFile(
    "a/bad_placeholder",
    `${ids}, body: d.query("a/bad_placeholder.sql", { good })`,
    `import { good } from "./good.ts";`,
  ),
  "sql/a/bad_placeholder.sql": "SELECT id\nFROM {good}\nJOIN {missing} USING (id)\n",
  "assets/a/mismatch.ts": assetFile(
    "a/mismatch",
    `${ids}, body: d.query("a/mismatch.sql", { good })`,
    `import { good } from "./good.ts";`,
  ),
  "sql/a/mismatch.sql": "SELECT CAST(id AS BIGINT) AS id, 1 AS extra\nFROM {good}\n",
  "assets/a/syntax_sql.ts": assetFile(
    "a/syntax_sql",
    `${ids}, body: d.query("a/syntax_sql.sql", { good })`,
    `import { good } from "./good.ts";`,
  ),
  "sql/a/syntax_sql.sql": "\n-- A comment.\nSELECT id\nFORM {good}\n",
  "assets/a/undeclared.ts": assetFile("a/undeclared", `${ids}, body: d.query("a/undeclared.sql")`),
  "sql/a/undeclared.sql": "SELECT id FROM a.good\n",
  "assets/a/no_sql.ts": assetFile("a/no_sql", `${ids}, body: d.query("a/no_sql.sql")`),
  "assets/a/throws.ts": `// A comment first.\nthrow new Error("this file throws");\n`,
  "assets/a/throws_null.ts": `throw null;\n`,
  "assets/a/missing_import.ts": `import { gone } from "./gone.ts";\nvoid gone;\n`,
  "assets/a/missing_name.ts": `import { nothing } from "./good.ts";\nvoid nothing;\n`,
  "assets/a/syntax_ts.ts": `const ok = 1;\nvoid ok;\nconst = 2;\n`,
  "lib/helper.ts": "export const helper = 1;\n",
  "assets/a/imports_outside.ts": assetFile("a/imports_outside", ids, `import { helper } from "../../lib/helper.ts";`),
  "assets/a/names.json": "[]\n",
  "assets/a/imports_json.ts": assetFile(
    "a/imports_json",
    ids,
    `import names from "./names.json" with { type: "json" };`,
  ),
  "assets/a/bad_check.ts": source("a/bad_check", `checks: [d.matches("id", "(?=x)")],`),
  "assets/a/window_in_check.ts": source(
    "a/window_in_check",
    "checks: [d.sqlCheck('x', sql`SELECT * FROM ${self} WHERE id > ${d.window.start}`)],",
  ),
  "assets/a/reads_faulty.ts": assetFile(
    "a/reads_faulty",
    `${ids}, body: sql\`SELECT id FROM \${{ kind: "table", assetKey: "a/throws" }}\``,
  ),
  "assets/a/by_shop.ts": assetFile(
    "a/by_shop",
    `${cells}, partitions: d.staticKeys("shop", ["x", "y"]), body: { async *rows() {} }`,
  ),
  "assets/a/cells.ts": assetFile(
    "a/cells",
    `${cells}, partitions: d.twoDimensional(${days}, d.staticKeys("shop", ["x", "y"])), body: d.query("a/cells.sql", { by_shop })`,
    `import { by_shop } from "./by_shop.ts";`,
  ),
  "sql/a/cells.sql": "SELECT day, shop FROM {by_shop} WHERE shop IN {keys} AND day >= {window.start}\n",
  "assets/a/bad_cells.ts": assetFile(
    "a/bad_cells",
    `${cells}, partitions: d.twoDimensional(${days}, d.staticKeys("shop", ["x|y"])), body: { async *rows() {} }`,
  ),
  "assets/a/bad_mapping.ts": assetFile(
    "a/bad_mapping",
    `${cells}, partitions: ${days}, body: { deps: [by_shop], async *rows() {} }`,
    `import { by_shop } from "./by_shop.ts";`,
  ),
  "assets/a/deprecated.ts": source(
    "a/deprecated",
    `superset: {}, deprecated: { on: "2027-01-31", replacedBy: "a/nowhere" },`,
  ),
  "assets/a/left_behind.ts": source(
    "a/left_behind",
    `superset: {}, deprecated: { on: "2027-01-31", replacedBy: "a/good" },`,
  ),
  "assets/a/empty.ts": "export const nothing = 1;\n",
};

const EXPECTED: readonly (readonly [code: string, file: string, line: number, message: RegExp])[] = [
  ["unknown_reference", "assets/a/unknown_reference.ts", 4, /"a\/nowhere"/],
  ["cycle", "assets/a/cycle_one.ts", 4, /a\/cycle_one → a\/cycle_two → a\/cycle_one|a\/cycle_two → a\/cycle_one/],
  ["cycle", "assets/a/cycle_two.ts", 4, /a\/cycle_one → a\/cycle_two/],
  ["cycle", "assets/a/import_one.ts", 1, /assets\/a\/import_one\.ts → assets\/a\/import_two\.ts/],
  ["duplicate_key", "assets/a/twice.ts", 4, /assets\/a\/again\.ts:4/],
  ["key_unlike_path", "assets/a/path.ts", 4, /expected "a\/path"/],
  ["bad_column_type", "assets/a/bad_column.ts", 4, /"at".*timestamp\(\)/],
  ["bad_key", "assets/a/bad_key.ts", 4, /schema\/table/],
  ["unknown_placeholder", "sql/a/bad_placeholder.sql", 3, /\{missing\}/],
  ["contract_mismatch", "sql/a/mismatch.sql", 1, /"id" is BIGINT, expected INTEGER.*"extra"/],
  ["bad_sql", "sql/a/syntax_sql.sql", 4, /FORM|syntax error/],
  ["undeclared_reference", "sql/a/undeclared.sql", 1, /a\.good/],
  ["missing_sql_file", "assets/a/no_sql.ts", 4, /sql\/a\/no_sql\.sql/],
  ["import_failed", "assets/a/throws.ts", 2, /this file throws/],
  ["import_failed", "assets/a/throws_null.ts", 1, /null/],
  ["import_failed", "assets/a/missing_import.ts", 1, /assets\/a\/gone\.ts, which does not exist/],
  ["import_failed", "assets/a/missing_name.ts", 1, /nothing/],
  ["import_failed", "assets/a/syntax_ts.ts", 3, /at column 7: const = 2;$/],
  [
    "import_failed",
    "assets/a/imports_outside.ts",
    3,
    /imports lib\/helper\.ts.*only \.ts files under assets\/.*Move it/,
  ],
  ["import_failed", "assets/a/imports_json.ts", 3, /imports assets\/a\/names\.json/],
  ["bad_option", "assets/a/bad_check.ts", 4, /check matches_id: .*\(\?=/],
  ["unknown_placeholder", "assets/a/window_in_check.ts", 4, /check x: window/],
  ["bad_option", "assets/a/bad_cells.ts", 4, /key "x\|y": Dagster takes no \|/],
  ["bad_option", "assets/a/bad_mapping.ts", 4, /reads a\/by_shop, whose partitions are others.*allOf/],
  ["bad_option", "assets/a/deprecated.ts", 4, /replacedBy "a\/nowhere" is defined by no file/],
  ["bad_option", "assets/a/left_behind.ts", 4, /replacedBy "a\/good" is not shown in Superset/],
  ["no_asset", "assets/a/empty.ts", 1, /defines no asset/],
];

describe("a project with every fault at once", async () => {
  const project = new Project(FAULTY);
  const { code, stderr, manifest, text } = await project.manifest();
  const other = new Project(Object.fromEntries(Object.entries(FAULTY).reverse()));
  const second = await other.manifest();
  project.remove();
  other.remove();

  test.each(EXPECTED)("reports %s in %s:%i", (fault, file, line, message) => {
    const found = manifest.faults.filter((one) => one.code === fault && one.file === file);
    expect(found, JSON.stringify(manifest.faults.filter((one) => one.file === file))).not.toEqual([]);
    expect(found.map((one) => one.line)).toContain(line);
    expect(found.map((one) => one.message).join("\n")).toMatch(message);
    expect(stderr).toContain(`${file}:${line}: `);
  });

  test("reports nothing else", () => {
    const known = new Set(EXPECTED.map(([fault, file]) => `${fault} ${file}`));
    // The key that the path says is missing with the same mistake.
    known.add("key_unlike_path assets/a/again.ts").add("key_unlike_path assets/a/bad_key.ts");
    expect(manifest.faults.filter((fault) => !known.has(`${fault.code} ${fault.file}`))).toEqual([]);
  });

  test("keeps the assets without a fault, also the one that reads a faulty one, and ends with exit code 1", () => {
    const sound = ["a/by_shop", "a/cells", "a/good", "a/good_query", "a/reads_faulty"];
    expect(manifest.assets.map(({ key }) => key.join("/"))).toEqual(sound);
    expect(code).toBe(1);
  });

  test("says the same whatever the order in which the files were made, and names no folder of this machine", () => {
    expect(second.text).toBe(text);
    expect(text).not.toContain(project.dir);
  });
});

describe("the manifest", () => {
  test("is byte for byte the same when it is built twice", async () => {
    const project = createProject({ "assets/a/good.ts": source("a/good") });
    const first = await project.manifest();
    const second = await project.manifest();
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(second.text).toBe(first.text);
  });

  test("is not written by --check, which still finds the faults", async () => {
    const project = createProject({ "assets/a/bad.ts": "export const x = 1;" });
    expect(await project.manifest("--check")).toMatchObject({ code: 1, manifest: null });
  });

  test("says so when there are no assets", async () => {
    const project = createProject({});
    project.remove();
    mkdirSync(project.dir);
    expect((await project.manifest()).stderr).toContain("there is no folder assets/");
  });

  test("has the schema that the Dagster side validates it with", async () => {
    const project = createProject({});
    const { stdout } = await project.start("runtime/manifest.ts", ["--schema"]).ended;
    expect(readFileSync("dagster_project/manifest.schema.json", "utf8")).toBe(stdout);
  });

  test("has the digest that the Dagster side computes, whatever is in the files and their names", async () => {
    const project = createProject({
      "assets/a/good.ts": source("a/good"),
      "assets/a/Zebra.ts": source("a/Zebra"),
      "assets/a/notes.md": "not a source",
      "assets/ä/x.ts": "export const broken = ;\r\n",
      "sql/a/deep/er/é.sql": "SELECT 'ß'",
      "sql/a/😀.sql": "SELECT 1",
    });
    const { manifest } = await project.manifest();
    const digest = await runPython(`
from pathlib import Path
from dagster_project.refresh import source_digest
print(source_digest(Path(${JSON.stringify(project.dir)})))`);
    expect(manifest.source_digest).toBe(digest);
  });

  test("finds the assets of a project that is reached through a symbolic link", async () => {
    const project = createProject({ "assets/a/good.ts": source("a/good") });
    const link = join(project.dir, "link");
    symlinkSync(project.dir, link);
    const { manifest } = await project.manifest("--project", link);
    expect(manifest.assets.map(({ key }) => key.join("/"))).toEqual(["a/good"]);
  });

  test("takes the assets that a function of another file defines, at the place that calls it", async () => {
    const project = createProject({
      "assets/lib/make.ts": `import { defineAsset, z } from "dagster-typescript";
        const columns = z.strictObject({ id: z.int32() });
        export const make = (key: string) => defineAsset(key, { description: "x", columns, body: { async *rows() {} } });`,
      "assets/a/one.ts": `import { make } from "../lib/make.ts";\n\nexport const one = make("a/one");\n`,
      "assets/a/many.ts": `import { make } from "../lib/make.ts";\nfor (const n of [1, 2]) make(\`b/n\${n}\`);\n`,
    });
    const { manifest, code } = await project.manifest();
    expect(manifest.faults).toEqual([]);
    expect(code).toBe(0);
    expect(manifest.assets.map(({ key, sources }) => [key.join("/"), sources])).toEqual([
      ["a/one", [{ file: "assets/a/one.ts", line: 3 }]],
      ["b/n1", [{ file: "assets/a/many.ts", line: 2 }]],
      ["b/n2", [{ file: "assets/a/many.ts", line: 2 }]],
    ]);
  });

  test("reports an asset that a file outside of assets/ defines", async () => {
    const project = createProject({
      "lib/stray.ts": source("a/stray"),
      "assets/a/good.ts": `await import("../../lib/stray.ts");\n${source("a/good")}`,
    });
    const { manifest } = await project.manifest();
    expect(manifest.faults).toMatchObject([{ code: "key_unlike_path", file: "lib/stray.ts", line: 4 }]);
    expect(manifest.assets.map(({ key }) => key[1])).toEqual(["good"]);
  });

  test("reports keys that differ only in case, which stores do not tell apart", async () => {
    const project = createProject({ "assets/a/x.ts": source("a/x"), "assets/b/many.ts": source("A/X") });
    const { manifest } = await project.manifest();
    expect(manifest.faults).toMatchObject([
      { code: "duplicate_key", message: 'key "A/X" is defined at assets/a/x.ts:4 already, as "a/x"' },
      { code: "key_unlike_path" },
    ]);
  });

  test("reports a circle of three assets of which two also share a smaller one, with every member", async () => {
    const asset = (name: string, ...deps: string[]): string =>
      assetFile(
        `a/${name}`,
        `${ids}, body: { deps: [${deps.map((dep) => `{ kind: "table", assetKey: "a/${dep}" }`).join()}], async *rows() {} }`,
      );
    const project = createProject({
      "assets/a/a.ts": asset("a", "b", "c"),
      "assets/a/b.ts": asset("b", "a"),
      "assets/a/c.ts": asset("c", "b"),
      "assets/a/on_top.ts": asset("on_top", "a"),
    });
    const { manifest } = await project.manifest();
    expect(manifest.faults.map(({ file }) => file)).toEqual(["assets/a/a.ts", "assets/a/b.ts", "assets/a/c.ts"]);
    expect(manifest.assets.map(({ key }) => key[1])).toEqual(["on_top"]);
  });

  test("does not take an import in a comment or in a text for an import", async () => {
    const project = createProject({
      "assets/a/one.ts": `/*\nimport { two } from "./two.ts";\n*/\nconst text = \`\nimport { two } from "./two.ts";\n\`;\nvoid text;\n${source("a/one")}`,
      "assets/a/two.ts": `import { one } from "./one.ts";\nvoid one;\n${source("a/two")}`,
    });
    expect((await project.manifest()).manifest.faults).toEqual([]);
  });

  test.each([
    ["ends the process", "process.exit(0);"],
    ["waits for what never comes", "await new Promise(() => undefined);"],
  ])("is not written, and the file is named, when a file %s", async (_what, text) => {
    const project = createProject({ "assets/a/bad.ts": `${text}\n`, "assets/a/good.ts": source("a/good") });
    const { code, stderr, manifest } = await project.manifest();
    expect(code).not.toBe(0);
    expect(stderr).toContain("assets/a/bad.ts:1: the process ended");
    expect(manifest).toBeNull();
  });

  test("is the manifest of one version of the code: the run of an asset records the same", async () => {
    const project = createProject({
      "assets/lib/two.ts": "export const two: number = 2;",
      "assets/a/shared.ts": `export { two } from "../lib/two.ts";\nexport const one = 1;\n`,
      "assets/a/base.ts": source("a/base"),
      "assets/a/top.ts": assetFile(
        "a/top",
        `${ids}, body: d.query("a/top.sql", { base })`,
        `import { base } from "./base.ts";\nimport { one } from "./shared.ts";\nvoid one;`,
      ),
      "sql/a/top.sql": "SELECT id FROM {base}",
    });
    const versionOf = async (name: string): Promise<string | undefined> =>
      (await project.manifest()).manifest.assets.find(({ key }) => key[1] === name)?.code_version;
    const before = await versionOf("top");
    expect((await project.run(["a/base", "a/top"]).ended).code).toBe(0);
    expect(
      await project.query("SELECT code_version FROM _dagster_typescript.ledger WHERE asset_key = 'a/top'"),
    ).toEqual([[before]]);

    project.write({ "assets/a/base.ts": `${source("a/base")}// changed\n` });
    expect(await versionOf("top"), "the code of another asset does not count").toBe(before);
    project.write({ "assets/lib/two.ts": "export const two: number = 3;" });
    const withLib = await versionOf("top");
    expect(withLib, "the code of a file without assets counts").not.toBe(before);
    project.write({ "sql/a/top.sql": "SELECT id FROM {base} WHERE id > 0" });
    expect(await versionOf("top"), "the SQL counts").not.toBe(withLib);
  });
});

async function runPython(code: string): Promise<string> {
  const { spawnSync } = await import("node:child_process");
  const { stdout, stderr } = spawnSync(".venv/bin/python", ["-c", code], { encoding: "utf8" });
  return stdout.trim() || stderr;
}
