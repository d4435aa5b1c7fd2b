import ts from "typescript";

/** The source of an asset without its `checks: […]`: the contract, the body and all else stay. */
export function stripChecks(source: string): string {
  const file = ts.createSourceFile("asset.ts", source, ts.ScriptTarget.Latest);
  const spans: { readonly start: number; readonly end: number }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && node.name.text === "checks") {
      const comma = source[node.end] === "," ? 1 : 0;
      spans.push({ start: node.getStart(file), end: node.end + comma });
    } else ts.forEachChild(node, visit);
  };
  visit(file);
  return spans.reduceRight((text, { start, end }) => text.slice(0, start) + text.slice(end), source);
}
