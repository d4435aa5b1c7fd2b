import ts from "typescript";

/** The source of an asset without some of its options, such as `checks: […]`: the contract, the body and all else stay. */
export function stripOptions(source: string, names: readonly string[]): string {
  const file = ts.createSourceFile("asset.ts", source, ts.ScriptTarget.Latest);
  const spans: { readonly start: number; readonly end: number }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) && names.includes(node.name.text)) {
      const comma = source[node.end] === "," ? 1 : 0;
      spans.push({ start: node.getStart(file), end: node.end + comma });
    } else ts.forEachChild(node, visit);
  };
  visit(file);
  return spans.reduceRight((text, { start, end }) => text.slice(0, start) + text.slice(end), source);
}
