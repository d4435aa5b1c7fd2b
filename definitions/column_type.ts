import type { z } from "zod";

/** The type of a column, without its store: each store maps it to a type of its own. */
export type ColumnType =
  | { readonly kind: "string" | "int32" | "int64" | "float64" | "boolean" | "timestamp" | "date" | "json" }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number };

/** How a value of the column looks in TypeScript: a 64-bit integer may be a `number` (53 bits) or a `bigint`. */
export type RowValue = "string" | "number" | "bigint" | "boolean" | "date" | "json";

/** One column of a contract. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly value: RowValue;
  readonly nullable: boolean;
  readonly description: string | null;
}

/** What a column's zod type says, or why it cannot be a column. */
export type ColumnResult =
  { readonly ok: true; readonly column: Column } | { readonly ok: false; readonly message: string };

/** Deep enough for any wrapping that a person writes, shallow enough to end on a recursive `lazy`. */
const MAX_WRAPPERS = 20;

/** PostgreSQL's limit on identifiers, the shortest among the stores; longer names would be cut silently. */
const MAX_NAME_BYTES = 63;

/** Types around another one that leave its store type as it is. */
const WRAPPERS: ReadonlySet<string> = new Set(["nullable", "default", "prefault", "readonly"]);

/** Reads a column's name, type, nullability and description off its zod type. */
export function readColumn(name: string, schema: z.ZodType): ColumnResult {
  if (!isName(name)) return fail(`the column name must have 1 to ${MAX_NAME_BYTES} bytes and no NUL character`);
  let inner: z.core.$ZodType = schema;
  let nullable = false;
  let json = false;
  let description: string | undefined;
  for (let depth = 0; depth < MAX_WRAPPERS; depth += 1) {
    description ??= (inner as z.ZodType).description;
    const store = (inner as z.ZodType).meta()?.store;
    const def = (inner as z.ZodType).def as z.core.$ZodTypeDef & { readonly innerType?: z.core.$ZodType };
    if (def.type === "optional" || def.type === "nonoptional") {
      return fail("a column is never absent from a row: write .nullable() instead of .optional()");
    }
    nullable ||= def.type === "nullable";
    if (store !== undefined && store.type !== "json") return done(name, fromStore(store), nullable, description);
    if (def.innerType !== undefined && WRAPPERS.has(def.type)) {
      json ||= store !== undefined;
      inner = def.innerType;
      continue;
    }
    if (store !== undefined || json) return done(name, fromStore({ type: "json" }), nullable, description);
    return fromZod(name, inner as z.ZodType, nullable, description);
  }
  return fail("the type is wrapped too deeply to be a column");
}

/** `__proto__` cannot be a property of a row. Half a surrogate pair has no form in UTF-8. */
function isName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= MAX_NAME_BYTES && !name.includes("\0") && name.isWellFormed() && name !== "__proto__";
}

function fromStore(store: NonNullable<z.core.GlobalMeta["store"]>): TypeAndValue | string {
  switch (store.type) {
    case "timestamp":
      return { type: { kind: "timestamp" }, value: "date" };
    case "date":
      return { type: { kind: "date" }, value: "string" };
    case "json":
      return { type: { kind: "json" }, value: "json" };
    case "decimal": {
      const { precision, scale } = store;
      const valid =
        Number.isInteger(precision) &&
        Number.isInteger(scale) &&
        precision >= 1 &&
        precision <= 38 &&
        scale >= 0 &&
        scale <= precision;
      return valid
        ? { type: { kind: "decimal", precision, scale }, value: "string" }
        : `decimal(${precision}, ${scale}): expected a precision from 1 to 38 and a scale from 0 to the precision`;
    }
  }
}

interface TypeAndValue {
  readonly type: ColumnType;
  readonly value: RowValue;
}

/** The `format` of a zod number or bigint, to the column type that holds all of its values. */
const NUMBER_FORMATS: Readonly<Record<string, TypeAndValue>> = {
  safeint: { type: { kind: "int64" }, value: "number" },
  int32: { type: { kind: "int32" }, value: "number" },
  uint32: { type: { kind: "int64" }, value: "number" },
  float32: { type: { kind: "float64" }, value: "number" },
  float64: { type: { kind: "float64" }, value: "number" },
  int64: { type: { kind: "int64" }, value: "bigint" },
};

function fromZod(name: string, schema: z.ZodType, nullable: boolean, description: string | undefined): ColumnResult {
  const def = schema.def as z.core.$ZodTypeDef & { readonly format?: string };
  switch (def.type) {
    case "string":
    case "template_literal":
      return done(name, { type: { kind: "string" }, value: "string" }, nullable, description);
    case "enum":
    case "literal": {
      const values = (schema as z.ZodEnum | z.ZodLiteral).def as { entries?: object; values?: unknown[] };
      const all: unknown[] = values.values ?? Object.values(values.entries ?? {});
      if (!all.every((value) => typeof value === "string")) return fail("an enum column holds strings");
      return done(name, { type: { kind: "string" }, value: "string" }, nullable, description);
    }
    case "boolean":
      return done(name, { type: { kind: "boolean" }, value: "boolean" }, nullable, description);
    case "number": {
      const format = def.format ?? integerCheck(schema);
      return done(
        name,
        format === undefined ? NUMBER_FORMATS["float64"] : NUMBER_FORMATS[format],
        nullable,
        description,
      );
    }
    case "bigint": {
      if (def.format === undefined) return fail("a bare bigint has no limits: write int64(), or decimal(38, 0)");
      return done(name, NUMBER_FORMATS[def.format], nullable, description);
    }
    case "date":
      return fail("write timestamp() for an instant or date() for a calendar day");
    case "transform":
    case "pipe":
      return fail("a transformed type loses its store type: transform before the row is yielded");
    case "object":
    case "array":
    case "record":
    case "tuple":
    case "union":
    case "intersection":
    case "any":
    case "unknown":
      return fail(`wrap it as json(…) to store it as a JSON document`);
    default:
      return fail(`zod type "${def.type}" has no column type`);
  }
}

/** `z.number().int()` carries its format in a check, not in the definition. */
function integerCheck(schema: z.ZodType): string | undefined {
  for (const check of (schema.def as { readonly checks?: readonly z.core.$ZodCheck[] }).checks ?? []) {
    const def = check._zod.def as { readonly check: string; readonly format?: string };
    if (def.check === "number_format") return def.format;
  }
  return undefined;
}

function done(
  name: string,
  found: TypeAndValue | string | undefined,
  nullable: boolean,
  description: string | undefined,
): ColumnResult {
  if (found === undefined) return fail("this number format has no column type");
  if (typeof found === "string") return fail(found);
  return { ok: true, column: { name, ...found, nullable, description: description ?? null } };
}

function fail(message: string): ColumnResult {
  return { ok: false, message };
}
