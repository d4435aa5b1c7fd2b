import type { ColumnType } from "../../definitions/column_type.ts";
import { instantOf } from "../../definitions/time_periods.ts";
import { type Cell, isBlank, type TextForms } from "./cells.ts";
import { parseNumber } from "./parse_number.ts";

/** A value as text that DuckDB casts to its type, or why there is none. */
export type Converted = string | null | { readonly unreadable: string };

const DAY_MS = 86_400_000;
/** Day 0 of the two calendars of workbooks. The older one has a 29th of February 1900, which never was. */
const EPOCH_1900 = Date.UTC(1899, 11, 30);
const EPOCH_1904 = Date.UTC(1904, 0, 1);
const LEAP_1900 = 60;
/** The day after the 31st of December 9999, the last one that a workbook knows. */
const LAST_SERIAL = 2_958_466;
/** Days between the two. */
const DAYS_TO_1904 = 1_462;

/** How the cells of a column are read, whatever they are. */
export function converterOf(type: ColumnType, forms: TextForms, from1904: boolean): (cell: Cell) => Converted {
  const ofValue = byType(type, forms, from1904);
  return (cell) => {
    if (cell === null) return null;
    if (typeof cell === "object" && "fault" in cell) return { unreadable: cell.fault };
    if (typeof cell === "string" && isBlank(cell)) return null;
    return ofValue(cell);
  };
}

type Value = Exclude<Cell, null | { readonly fault: string }>;

function byType(type: ColumnType, forms: TextForms, from1904: boolean): (cell: Value) => Converted {
  switch (type.kind) {
    case "int32":
    case "int64":
    case "decimal":
    case "float64":
      return (cell) => numberOf(cell, forms, type.kind === "float64");
    case "date": {
      // A day stands in many rows.
      const known = new Map<number, Converted>();
      return (cell) => {
        if (typeof cell !== "object") return dayOf(cell, forms, from1904);
        const found = known.get(cell.serial) ?? dayOf(cell, forms, from1904);
        known.set(cell.serial, found);
        return found;
      };
    }
    case "timestamp":
      return (cell) => timeOf(cell, forms, from1904);
    case "boolean":
      return booleanOf;
    case "string":
    case "json":
      return (cell) => textOf(cell, from1904);
  }
}

/** Numbers of a workbook are doubles; it shows, and compares, fifteen digits of them. */
function decimalText(value: number): string {
  return Number.isSafeInteger(value) && Math.abs(value) < 1e15 ? String(value) : String(Number(value.toPrecision(15)));
}

function numberOf(cell: Value, { decimal }: TextForms, allowsEndless: boolean): Converted {
  if (typeof cell === "number") return decimalText(cell);
  if (typeof cell === "object") return decimalText(cell.serial);
  if (typeof cell === "boolean") return { unreadable: "true or false, where a number is expected" };
  const text = cell.trim();
  const endless = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(text);
  if (endless !== null)
    return allowsEndless ? text.toLowerCase().replace(/^\+/, "") : { unreadable: "no number that is finite" };
  return parseNumber(text, decimal) ?? { unreadable: "no number" };
}

function dayOf(cell: Value, { days }: TextForms, from1904: boolean): Converted {
  if (typeof cell === "string") {
    const [day, rest = ""] = cell.trim().split(/[T ]/, 2);
    if (!/^(00:00(:00(\.0+)?)?Z?)?$/.test(rest)) return { unreadable: "a time, where a day is expected" };
    return parseDay(day ?? "", days) ?? { unreadable: "no day" };
  }
  const at = serialOf(cell, from1904);
  if (typeof at !== "number") return at;
  return at % DAY_MS === 0
    ? new Date(at).toISOString().slice(0, 10)
    : { unreadable: "a time, where a day is expected" };
}

const TIME = /^(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?\s*(?:(Z)|([+-]\d{2}):?(\d{2})?)?$/;

function timeOf(cell: Value, { days, timezone }: TextForms, from1904: boolean): Converted {
  const here = (local: number): string => new Date(instantOf(timezone, local)).toISOString();
  if (typeof cell !== "string") {
    const at = serialOf(cell, from1904);
    return typeof at === "number" ? here(at) : at;
  }
  const text = cell.trim();
  const cut = text.search(/[T ]/);
  const day = parseDay(cut === -1 ? text : text.slice(0, cut), days);
  const [all, hours = "", minutes = "", seconds = "0", fraction = "0", zulu, offset, offsetMinutes = "0"] =
    TIME.exec(cut === -1 ? "00:00" : text.slice(cut + 1).trim()) ?? [];
  if (day === undefined || all === undefined || Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59)
    return { unreadable: "no time" };
  const time =
    ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Math.round(Number(fraction) * 1000);
  const local = Date.parse(`${day}T00:00:00Z`) + time;
  if (zulu !== undefined) return new Date(local).toISOString();
  if (offset === undefined) return here(local);
  const shift = Math.abs(Number(offset)) * 60 + Number(offsetMinutes);
  return new Date(local - (offset.startsWith("-") ? -shift : shift) * 60_000).toISOString();
}

/** The local time that a serial stands for, in milliseconds. Times of workbooks are no more exact. */
function serialOf(
  cell: number | boolean | { readonly serial: number },
  from1904: boolean,
): number | { readonly unreadable: string } {
  if (typeof cell === "boolean") return { unreadable: "true or false, where a day is expected" };
  const serial = typeof cell === "number" ? cell : cell.serial;
  if (!(serial >= 0 && serial < LAST_SERIAL - (from1904 ? DAYS_TO_1904 : 0)))
    return { unreadable: "no day that a workbook knows" };
  if (from1904) return EPOCH_1904 + Math.round(serial * DAY_MS);
  // A time without a day, or the 0th of January that an empty date is shown as.
  if (serial < 1) return { unreadable: "no day that a workbook knows" };
  if (Math.floor(serial) === LEAP_1900) return { unreadable: "the 29th of February 1900, a day that never was" };
  return EPOCH_1900 + Math.round((serial < LEAP_1900 ? serial + 1 : serial) * DAY_MS);
}

const ORDERS = { YMD: [0, 1, 2], DMY: [2, 1, 0], MDY: [2, 0, 1] } as const;

/** A day as `YYYY-MM-DD`; `undefined`: it is none. */
function parseDay(text: string, order: TextForms["days"]): string | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)?.slice(1);
  const [year = "", month = "", day = ""] =
    parts ??
    ORDERS[order].map((index) => (/^(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})$/.exec(text) ?? [])[index + 1] ?? "");
  // Two digits of a year are a guess.
  if (year.length !== 4) return undefined;
  const written = `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  const parsed = new Date(`${written}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().slice(0, 10) === written ? written : undefined;
}

function booleanOf(cell: Value): Converted {
  const text = typeof cell === "object" ? String(cell.serial) : String(cell).trim().toLowerCase();
  if (["true", "yes", "1"].includes(text)) return "true";
  return ["false", "no", "0"].includes(text) ? "false" : { unreadable: "neither true nor false" };
}

function textOf(cell: Value, from1904: boolean): Converted {
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return decimalText(cell);
  if (typeof cell === "boolean") return String(cell);
  const at = serialOf(cell, from1904);
  if (typeof at !== "number") return at;
  const text = new Date(at).toISOString();
  return at % DAY_MS === 0 ? text.slice(0, 10) : text.slice(0, 19).replace("T", " ");
}
