import { PipesMessageTooLargeError } from "./errors.ts";
import { stringText } from "./json_text.ts";
import { entryText, type WrittenEntry } from "./metadata_text.ts";

/** Metadata key under which a shortened report says what was shortened. */
export const TRUNCATION_KEY = "dagster_typescript/truncated";

/** Room for the note that says what was shortened. */
const NOTE_BYTES = 6_000;

/** A value cut to less than this tells nobody anything. */
const SMALLEST_CUT_BYTES = 64;

/** Values up to this size are not cut however many there are; the last ones are left out instead. */
const SMALL_BYTES = 256;

/** Types whose value still means something when its end is missing. */
const CUTTABLE_TEXT: ReadonlySet<string> = new Set(["text", "md", "__infer__"]);

/** Members of a metadata map in JSON, without the braces around them, and whether any was shortened. */
interface FittedMetadata {
  readonly text: string;
  readonly shortened: boolean;
}

/**
 * Writes a metadata map in at most `maxBytes`. Large texts lose their end, tables their last
 * records, JSON becomes the beginning of its text, and what cannot be cut honestly (links, column
 * schemas, lineage) is left out; a note under {@link TRUNCATION_KEY} names every such value.
 */
export function fitMetadata(entries: readonly WrittenEntry[], maxBytes: number): FittedMetadata {
  const whole = entries.map(entryText);
  const total = whole.reduce((sum, text) => sum + text.length + 1, 0);
  if (total <= maxBytes) return { text: whole.join(","), shortened: false };

  const room = Math.max(0, maxBytes - NOTE_BYTES);
  const share = Math.max(
    SMALL_BYTES,
    fairShare(
      whole.map((text) => text.length + 1),
      room,
    ),
  );
  const kept: string[] = [];
  const changes: string[] = [];
  let used = 0;
  for (const [index, entry] of entries.entries()) {
    const text = whole[index] ?? "";
    const fitted = text.length + 1 <= share ? { text, change: undefined } : shorten(entry, share - 1);
    if (used + fitted.text.length + 1 > room || fitted.text === "") {
      changes.push(`${nameOf(entry)} left out`);
      continue;
    }
    kept.push(fitted.text);
    used += fitted.text.length + 1;
    if (fitted.change !== undefined) changes.push(fitted.change);
  }
  kept.push(note(total, maxBytes, changes));
  return { text: kept.join(","), shortened: true };
}

/** The longest beginning of `text`, with a note at its end, whose JSON text has at most `maxBytes`. */
export function fitText(text: string, maxBytes: number): string {
  if (text.length <= maxBytes && stringText(text).length <= maxBytes) return text;
  let keep = Math.min(text.length, maxBytes);
  for (;;) {
    const shown = `${text.slice(0, keep)}… [shortened: the first ${keep} of ${text.length} characters]`;
    const size = stringText(shown).length;
    if (size <= maxBytes || keep === 0) return shown;
    keep = Math.floor(keep * Math.min(0.98, maxBytes / size));
  }
}

/** Splits a text into pieces whose JSON text has at most `maxBytes` each. */
export function splitText(text: string, maxBytes: number): string[] {
  if (stringText(text).length <= maxBytes) return [text];
  const middle = splitPoint(text);
  return [...splitText(text.slice(0, middle), maxBytes), ...splitText(text.slice(middle), maxBytes)];
}

/** @throws PipesMessageTooLargeError when a line that may not be shortened is too long. */
export function demandFits(line: string, maxBytes: number, method: string): void {
  if (line.length <= maxBytes) return;
  throw new PipesMessageTooLargeError(
    `${method}: the message has ${line.length} bytes, the limit is ${maxBytes}. ` +
      "What it holds may not be shortened; write it to a store and report where it is.",
  );
}

function splitPoint(text: string): number {
  const middle = Math.floor(text.length / 2);
  const isLowSurrogate = /[\udc00-\udfff]/.test(text.charAt(middle));
  return isLowSurrogate && middle > 1 ? middle - 1 : middle;
}

/** The largest size per value such that all values, each cut to it, fit into `room`. */
function fairShare(sizes: readonly number[], room: number): number {
  const sorted = [...sizes].sort((a, b) => a - b);
  let left = room;
  for (const [index, size] of sorted.entries()) {
    const share = Math.floor(left / (sorted.length - index));
    if (size > share) return share;
    left -= size;
  }
  return room;
}

function shorten(entry: WrittenEntry, maxBytes: number): { text: string; change: string | undefined } {
  const frame = entryText({ ...entry, rawText: "" }).length;
  const room = maxBytes - frame;
  if (room < SMALLEST_CUT_BYTES) return { text: "", change: undefined };
  if (entry.type === "table") return shortenTable(entry, room);
  const isText = CUTTABLE_TEXT.has(entry.type) && typeof entry.rawValue === "string";
  if (!isText && entry.type !== "json" && entry.type !== "__infer__") return { text: "", change: undefined };
  // rawText is redacted already; rawValue is not, so texts are read back from what was written.
  const source = isText ? (JSON.parse(entry.rawText) as string) : entry.rawText;
  const cut = fitText(source, room);
  return {
    text: entryText({ ...entry, type: entry.type === "md" ? "md" : "text", rawText: stringText(cut) }),
    change: `${nameOf(entry)} cut`,
  };
}

function shortenTable(entry: WrittenEntry, room: number): { text: string; change: string | undefined } {
  const table = JSON.parse(entry.rawText) as { records: unknown[] };
  const all = table.records.length;
  // Numbers would lose digits on a way through JSON.parse, so the written records are cut apart instead.
  const records = splitRecords(entry.rawText, all);
  const tail = entry.rawText.slice(records.end);
  let size = records.start + tail.length;
  let keep = 0;
  for (const record of records.texts) {
    if (size + record.length + 1 > room) break;
    size += record.length + 1;
    keep += 1;
  }
  if (keep === 0 && size > room) return { text: "", change: undefined };
  const rawText = entry.rawText.slice(0, records.start) + records.texts.slice(0, keep).join(",") + tail;
  return { text: entryText({ ...entry, rawText }), change: `${nameOf(entry)} cut to ${keep} of ${all} records` };
}

function splitRecords(text: string, count: number): { start: number; end: number; texts: string[] } {
  const start = text.indexOf('"records":[') + '"records":['.length;
  const texts: string[] = [];
  let from = start;
  while (texts.length < count) {
    const to = endOfObject(text, from);
    texts.push(text.slice(from, to));
    from = text.charAt(to) === "," ? to + 1 : to;
  }
  return { start, end: from, texts };
}

function endOfObject(text: string, from: number): number {
  let depth = 0;
  let quoted = false;
  for (let index = from; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (quoted) {
      if (character === "\\") index += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "{") depth += 1;
    else if (character === "}" && (depth -= 1) === 0) return index + 1;
  }
  return text.length;
}

function nameOf(entry: WrittenEntry): string {
  const key = entry.key.length > 80 ? `${entry.key.slice(0, 80)}…` : entry.key;
  return `\`${key}\` (${entry.type}, ${entry.rawText.length} bytes)`;
}

function note(total: number, maxBytes: number, changes: readonly string[]): string {
  const shown = changes.slice(0, 20).join("; ");
  const more = changes.length > 20 ? `; and ${changes.length - 20} more` : "";
  const text = fitText(
    `The metadata had ${total} bytes, the limit of one message leaves ${maxBytes}: ${shown}${more}.`,
    NOTE_BYTES - 200,
  );
  return entryText({ key: TRUNCATION_KEY, type: "text", rawValue: text, rawText: stringText(text) });
}
