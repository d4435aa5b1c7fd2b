import { z } from "zod";

/** What a store needs to know about a column that a zod type does not say. */
export type StoreType =
  | { readonly type: "timestamp" }
  | { readonly type: "date" }
  | { readonly type: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly type: "json" };

declare module "zod" {
  interface GlobalMeta {
    /** The store type of a column; set by {@link decimal}, {@link timestamp}, {@link date} and {@link json}. */
    store?: StoreType | undefined;
  }
}

/** A fixed-point number in its decimal spelling, such as `"-12.50"`. */
export type Decimal = string & z.$brand<"decimal">;
/** A calendar day, `YYYY-MM-DD`. */
export type PlainDate = string & z.$brand<"date">;

/**
 * A fixed-point number; a string in TypeScript, never a `number`, so that no digit is lost.
 *
 * @param precision Digits in all, 1 to 38.
 * @param scale Digits after the point, 0 to `precision`.
 */
export function decimal(precision: number, scale: number): z.core.$ZodBranded<z.ZodString, "decimal"> {
  return z
    .string()
    .regex(
      decimalPattern(precision, scale),
      `expected DECIMAL(${precision}, ${scale}): at most ${precision - scale} digits, then at most ${scale} after the point`,
    )
    .brand<"decimal">()
    .meta({ store: { type: "decimal", precision, scale } });
}

/** Never throws: an impossible precision is a fault of the asset, which is reported with the others. */
function decimalPattern(precision: number, scale: number): RegExp {
  const whole = precision - scale;
  if (!(whole >= 0 && scale >= 0)) return /^$/;
  const fraction = scale === 0 ? "" : `(?:\\.\\d{1,${scale}})?`;
  // Without whole digits there is still the zero before the point, and never just nothing.
  return new RegExp(
    whole === 0 ? `^-?(?:0${fraction}|\\.\\d{1,${Math.max(1, scale)}})$` : `^-?\\d{1,${whole}}${fraction}$`,
  );
}

/**
 * An instant; a `Date` in TypeScript, so to the millisecond. Stores keep microseconds: rows that a store writes itself
 * (`query`, `copy`) keep theirs.
 */
export function timestamp(): z.ZodDate {
  return z.date().meta({ store: { type: "timestamp" } });
}

/** A calendar day, `YYYY-MM-DD`. */
export function date(): z.core.$ZodBranded<z.ZodISODate, "date"> {
  return z.iso
    .date()
    .brand<"date">()
    .meta({ store: { type: "date" } });
}

/** A 64-bit integer; a `bigint` in TypeScript. Use `z.int()` where the values fit into 53 bits. */
export function int64(): z.ZodBigInt {
  return z.int64();
}

/** A JSON document; `schema` validates it where rows pass through TypeScript. Holds no `bigint`. */
export function json<T extends z.ZodType>(schema: T): T {
  return schema.meta({ store: { type: "json" } });
}
