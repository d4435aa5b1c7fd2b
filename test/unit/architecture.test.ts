import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const ROOT = resolve(fileURLToPath(import.meta.url), "../../..");
const PRODUCT = ["assets", "definitions", "pipes", "resources", "runtime"] as const;
const OTHERS = ["ops", "bench", "test"] as const;
type Folder = (typeof PRODUCT)[number];

interface Import {
  readonly from: string;
  /** A path in the repository, or a package. */
  readonly to: string;
  readonly isTypeOnly: boolean;
  /** Whether it is loaded only where the code comes by: `import(…)`. */
  readonly isLazy: boolean;
}

const files = [...PRODUCT, ...OTHERS]
  .flatMap((folder) =>
    globSync(`${folder}/**/*.ts`, { cwd: ROOT, exclude: (name) => basename(name) === "node_modules" }),
  )
  .filter((file) => !file.includes("/fixtures/"))
  .sort();
const sources = new Map(
  files.map((file) => [
    file,
    ts.createSourceFile(file, readFileSync(join(ROOT, file), "utf8"), ts.ScriptTarget.Latest, true),
  ]),
);
const imports = [...sources].flatMap(([file, source]) => importsOf(file, source));

/** What a folder may import besides itself and `node:` modules; a `type ` in front: types only. */
const ALLOWED: Readonly<Record<Folder, readonly RegExp[]>> = {
  pipes: [],
  definitions: [/^zod$/, /^type apache-arrow$/],
  resources: [
    /^definitions\//,
    /^zod$/,
    /^(type )?@duckdb\//,
    /^(type )?apache-arrow$/,
    /^(type )?pg(-[a-z-]+)?$/,
    /^(type )?@clickhouse\//,
    /^yauzl$/,
    /^saxes$/,
  ],
  runtime: [/^definitions\//, /^pipes\/index\.ts$/, /^resources\//, /^zod$/, /^type apache-arrow$/],
  assets: [/^dagster-typescript(\/sources|\/sensors)?$/, /^zod$/, /^apache-arrow$/],
};

test.each(PRODUCT)("%s imports only what lies below it", (folder) => {
  const own = imports.filter(({ from }) => from.startsWith(`${folder}/`));
  expect(own.length).toBeGreaterThan(0);
  const wrong = own.filter(({ to, isTypeOnly }) => {
    if (to.startsWith("node:") || to.startsWith(`${folder}/`)) return false;
    const shown = isTypeOnly ? [to, `type ${to}`] : [to];
    return !ALLOWED[folder].some((pattern) => shown.some((text) => pattern.test(text)));
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("definitions open nothing: no file system, no network, no process", () => {
  const nodes = imports.filter(({ from, to }) => from.startsWith("definitions/") && to.startsWith("node:"));
  expect(new Set(nodes.map(({ to }) => to))).toEqual(new Set(["node:url", "node:util"]));
});

test("only the runtime knows the stores, and it knows them by their seam: no driver reaches it", () => {
  const drivers = imports.filter(
    ({ from, to }) =>
      from.startsWith("runtime/") && /^resources\/(?!store|errors|superset\/|snapshot|validation\/index)/.test(to),
  );
  expect(drivers.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("what every step loads has no driver, reads no workbook and does not talk to Superset", () => {
  const loaded = new Set(["runtime/command.ts"]);
  for (const file of loaded)
    for (const { from, to, isTypeOnly, isLazy } of imports)
      if (from === file && !isTypeOnly && !isLazy && !to.startsWith("node:")) loaded.add(to);
  expect(loaded.size).toBeGreaterThan(50);
  const heavy = [...loaded].filter((file) => !file.endsWith(".ts") || /^resources\/(superset|validation)\//.test(file));
  expect(heavy).toEqual(["zod"]);
});

test("a store does not import another store", () => {
  const wrong = imports.filter(({ from, to }) => {
    // They ask HTTP in the same way.
    if (/^resources\/(sensors|superset)\//.test(from) && /^resources\/sources\//.test(to)) return false;
    // A validation compares in an engine of its own, and asks Superset for what people see.
    if (/^resources\/validation\//.test(from) && /^resources\/(duckdb\/client|superset\/open)\.ts$/.test(to))
      return false;
    const [, own] = /^resources\/([a-z_]+)\//.exec(from) ?? [];
    const [, other] = /^resources\/([a-z_]+)\//.exec(to) ?? [];
    return own !== undefined && other !== undefined && own !== other;
  });
  expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("nobody but ops, bench and tests imports the runtime", () => {
  const wrong = imports.filter(
    ({ from, to }) => to.startsWith("runtime/") && /^(assets|definitions|pipes|resources)\//.test(from),
  );
  expect(wrong).toEqual([]);
});

test("no file imports itself in a circle", () => {
  const edges = Map.groupBy(
    imports.filter(({ isTypeOnly }) => !isTypeOnly),
    ({ from }) => from,
  );
  const done = new Set<string>();
  const path: string[] = [];
  const circles: string[] = [];
  const visit = (file: string): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (done.has(file)) return;
    done.add(file);
    path.push(file);
    for (const { to } of edges.get(file) ?? []) visit(to);
    path.pop();
  };
  for (const file of files) visit(file);
  expect(circles).toEqual([]);
});

test("no file has a default export, but configurations", () => {
  const wrong = [...sources].filter(
    ([file, source]) => !file.endsWith(".config.ts") && source.statements.some(isDefaultExport),
  );
  expect(wrong.map(([file]) => file)).toEqual([]);
});

test("no file exports everything of another", () => {
  const wrong = [...sources].filter(([, source]) =>
    source.statements.some(
      (node) =>
        ts.isExportDeclaration(node) && (node.exportClause === undefined || ts.isNamespaceExport(node.exportClause)),
    ),
  );
  expect(wrong.map(([file]) => file)).toEqual([]);
});

test("files are called in snake_case and for what they hold", () => {
  const wrong = files.filter((file) => {
    const name = basename(file).replace(/(\.test|\.soak|\.config|\.d)?\.ts$/, "");
    const folders = dirname(file).split("/");
    return (
      ![name, ...folders].every((part) => /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(part)) ||
      /^(utils?|helpers?|common|misc|v\d+)$/.test(name)
    );
  });
  expect(wrong).toEqual([]);
});

test("no file of the product is longer than about 300 lines", () => {
  const long = [...sources].filter(([file, source]) => isProduct(file) && source.text.split("\n").length > 305);
  expect(long.map(([file]) => file)).toEqual([]);
});

test("every export of the product says in a sentence what it is", () => {
  const silent = [...sources]
    .filter(([file]) => isProduct(file) && !file.startsWith("assets/"))
    .flatMap(([file, source]) =>
      source.statements.filter(isUndocumented).map((node) => `${file}: ${node.getText().slice(0, 60)}`),
    );
  expect(silent).toEqual([]);
});

test("what a file exports is used somewhere else", () => {
  // The public faces of the library, and what the JSON Schema is made of.
  const faces = /^(definitions|pipes|resources\/sources|resources\/sensors)\/index\.ts$|^(pipes|runtime)\/testing\.ts$/;
  const texts = [...sources].map(([file, source]) => ({ file, text: source.text }));
  const unused = [...sources]
    .filter(([file]) => isProduct(file) && !file.startsWith("assets/") && !faces.test(file))
    .flatMap(([file, source]) => source.statements.flatMap(exportedNames).map((name) => ({ file, name })))
    .filter(({ file, name }) => {
      const word = new RegExp(`\\b${name}\\b`);
      return !texts.some((other) => other.file !== file && word.test(other.text));
    });
  // Types of parts of another exported type document it; values that nobody imports are dead.
  expect(
    unused.filter(({ name }) => /^[a-z]|^[A-Z_]+$/.test(name)).map(({ file, name }) => `${file}: ${name}`),
  ).toEqual([]);
});

test("every relative link in the documentation leads to a file", () => {
  const pages = ["README.md", "CHANGELOG.md", ...globSync("docs/**/*.md", { cwd: ROOT })];
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");
    return [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(ROOT, dirname(page), decodeURI(target))))
      .map((target) => `${page} → ${target}`);
  });
  expect(broken).toEqual([]);
});

function isProduct(file: string): boolean {
  return PRODUCT.some((folder) => file.startsWith(`${folder}/`));
}

function importsOf(file: string, source: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Expression | undefined, isTypeOnly: boolean, isLazy = false): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const { text } = specifier;
    const to = text.startsWith(".") ? relative(ROOT, resolve(ROOT, dirname(file), text)) : text;
    found.push({ from: file, to, isTypeOnly, isLazy });
  };
  const walk = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeImport(node));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, true);
    ts.forEachChild(node, walk);
  };
  walk(source);
  return found;
}

function isTypeImport({ importClause }: ts.ImportDeclaration): boolean {
  return importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

function isDefaultExport(node: ts.Statement): boolean {
  return ts.isExportAssignment(node) || (isExported(node) && hasModifier(node, ts.SyntaxKind.DefaultKeyword));
}

function isExported(node: ts.Statement): boolean {
  return hasModifier(node, ts.SyntaxKind.ExportKeyword);
}

function hasModifier(node: ts.Statement, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind);
}

function isUndocumented(node: ts.Statement): boolean {
  return isExported(node) && ts.getJSDocCommentsAndTags(node).length === 0 && !isOverload(node);
}

/** The first signature of a function carries the comment. */
function isOverload(node: ts.Statement): boolean {
  if (!ts.isFunctionDeclaration(node)) return false;
  const same = node
    .getSourceFile()
    .statements.filter((other) => ts.isFunctionDeclaration(other) && other.name?.text === node.name?.text);
  return same[0] !== node;
}

function exportedNames(node: ts.Statement): string[] {
  if (!isExported(node)) return [];
  if (ts.isVariableStatement(node)) return node.declarationList.declarations.map(({ name }) => name.getText());
  if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node))
    return node.name === undefined ? [] : [node.name.text];
  return [];
}
