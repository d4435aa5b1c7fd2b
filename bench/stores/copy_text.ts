import { pages, type Row } from "./shape.ts";

/** The rows in the text format of COPY, which ClickHouse calls TabSeparated, written by hand for these very columns. */
export function* copyTextPages(line: (row: Row) => string = postgresLine): Generator<Buffer> {
  for (const page of pages()) {
    let text = "";
    for (const row of page) text += line(row);
    yield Buffer.from(text);
  }
}

function postgresLine({ id, name, amount, sold_at, day, is_member, score, note }: Row): string {
  const member = is_member ? "t" : "f";
  return `${id}\t${escaped(name)}\t${amount}\t${sold_at.toISOString()}\t${day}\t${member}\t${score}\t${note === null ? "\\N" : escaped(note)}\n`;
}

/** ClickHouse reads instants most quickly as numbers. */
export function clickhouseLine({ id, name, amount, sold_at, day, is_member, score, note }: Row): string {
  const instant = `${sold_at.getTime()}000`;
  return `${id}\t${escaped(name)}\t${amount}\t${instant}\t${day}\t${is_member}\t${score}\t${note === null ? "\\N" : escaped(note)}\n`;
}

const SPECIAL = /[\\\n\r\t]/;

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(/[\\\n\r\t]/g, "\\$&") : text;
}
