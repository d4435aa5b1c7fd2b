import type { OnConflict } from "../../../definitions/superset/dataset.ts";
import { digestsOf, isAsWritten } from "./record.ts";

/** A field of the dataset, of a column or of a metric. */
export interface Field {
  readonly name: string;
  /** `undefined`: nothing is declared. */
  readonly wanted: unknown;
  /** What people see and may have edited. */
  readonly current: unknown;
  /** Superset sets it by itself when it reads the table again. */
  readonly reset?: unknown;
}

/** What is to be written of columns or metrics. */
export interface MergedParts {
  /** All of them, since Superset deletes what is not in a PUT; `null`: none differs. */
  readonly body: readonly object[] | null;
  readonly digests: Record<string, string>;
}

/** Decides field by field, and remembers why. */
export class Judge {
  readonly differences: string[] = [];
  readonly kept: string[] = [];
  readonly #mode: OnConflict;
  /** Also what was removed from the declaration but edited by people goes. */
  readonly removesEdited: boolean;

  constructor(mode: OnConflict, removesEdited: boolean) {
    this.#mode = mode;
    this.removesEdited = removesEdited;
  }

  /** @returns the fields to write, and what to remember of all */
  settle(
    what: string,
    digests: string | undefined,
    fields: readonly Field[],
    actual: Readonly<Record<string, unknown>>,
  ): { readonly changed: Record<string, unknown>; readonly digests: string } {
    const changed: Record<string, unknown> = {};
    for (const [index, field] of fields.entries()) {
      const value = this.#value(what, field, isAsWritten(digests, index, field.current), digests === undefined);
      const now = field.name in actual ? (actual[field.name] ?? null) : field.current;
      if (same(value, now)) continue;
      changed[field.name] = value;
      this.differences.push(`${what}: ${field.name} ${shown(now)} → ${shown(value)}`);
    }
    return { changed, digests: digestsOf(fields.map(({ wanted }) => wanted)) };
  }

  #value(what: string, { name, wanted, current, reset }: Field, isOurs: boolean, isFirst: boolean): unknown {
    // What we wrote once and declare no more goes, as long as nobody has made it theirs.
    if (wanted === undefined) return isOurs ? null : current;
    if (same(wanted, current) || this.#mode === "overwrite" || isOurs) return wanted;
    if ((isFirst && isEmpty(current)) || (reset !== undefined && same(reset, current))) return wanted;
    this.kept.push(`${what}: ${name} is ${shown(current)} in Superset, and ${shown(wanted)} is declared`);
    return current;
  }
}

/** Whether there is nothing that people could see. */
export function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "";
}

/** No text and an empty one look the same to people. */
function same(a: unknown, b: unknown): boolean {
  return (isEmpty(a) && isEmpty(b)) || JSON.stringify(a) === JSON.stringify(b);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length <= 100 ? text : `${text.slice(0, 100).toWellFormed()}…`;
}
