import { createReadStream } from "node:fs";
import type { CsvSource } from "../../definitions/validation.ts";
import { type CellRow, type CellTable, isBlank } from "./cells.ts";
import { EmptySourceError, UnreadableSourceError } from "./errors.ts";

/**
 * Reads a CSV file: its rows as they come, each with the line it begins in.
 *
 * @param path Absolute.
 * @throws UnreadableSourceError where bytes are none of the encoding, or a row has not as many cells as the header
 */
export async function readCsv(
  path: string,
  { delimiter, encoding }: Pick<CsvSource, "delimiter" | "encoding">,
): Promise<CellTable> {
  const rows = parse(path, decode(path, encoding), delimiter);
  const first = await rows.next();
  if (first.done === true) throw new EmptySourceError(`${path} is empty`);
  const header = first.value.cells.map((cell) => cell as string);
  const skipped = { count: 0 };
  return {
    header,
    rows: whole(rows, header.length, path, skipped),
    place: { before: "line ", columns: [] },
    ...{ from1904: false, isTyped: false },
    notes: () => (skipped.count === 0 ? [] : [`${skipped.count} empty row${skipped.count === 1 ? "" : "s"} skipped`]),
  };
}

async function* whole(
  rows: AsyncIterable<CellRow>,
  width: number,
  path: string,
  skipped: { count: number },
): AsyncGenerator<CellRow> {
  for await (const row of rows) {
    const { length } = row.cells;
    if (length !== width)
      throw new UnreadableSourceError(
        `${path}, line ${row.row}: ${length} cells, but the header has ${width}: quote the cells that hold the delimiter`,
      );
    // A workbook that is saved as CSV has them below its last row.
    if (row.cells.every((cell) => typeof cell === "string" && isBlank(cell))) skipped.count += 1;
    else yield row;
  }
}

async function* decode(path: string, encoding: string): AsyncGenerator<string> {
  // It takes a byte order mark off.
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for await (const chunk of createReadStream(path)) yield decoder.decode(chunk as Buffer, { stream: true });
    yield decoder.decode();
  } catch (error) {
    const reason = error instanceof TypeError ? `it is not encoded as ${encoding}` : (error as Error).message;
    throw new UnreadableSourceError(`${path} cannot be read: ${reason}`, { cause: error });
  }
}

/** Rows of cells. Lines end with LF or CRLF; empty lines are none. @see RFC 4180 */
async function* parse(path: string, chunks: AsyncIterable<string>, delimiter: string): AsyncGenerator<CellRow> {
  let cells: string[] = [];
  let cell = "";
  // Of a cell: not begun, plain, inside quotes, or after a quote that ends it unless another one follows.
  let state: "start" | "plain" | "quoted" | "ended" = "start";
  let [line, begun] = [1, 1];
  const endCell = (): void => {
    cells.push(state === "plain" && cell.endsWith("\r") ? cell.slice(0, -1) : cell);
    cell = "";
    state = "start";
  };
  for await (const chunk of chunks) {
    for (const letter of chunk) {
      if (letter === "\n") line += 1;
      if (state === "quoted") {
        if (letter === '"') state = "ended";
        else cell += letter;
      } else if (letter === '"' && state === "ended") {
        cell += letter;
        state = "quoted";
      } else if (letter === '"' && state === "start") {
        state = "quoted";
      } else if (letter === delimiter) {
        endCell();
      } else if (letter === "\n") {
        endCell();
        if (cells.length > 1 || cells[0] !== "") yield { row: begun, cells };
        cells = [];
        begun = line;
      } else if (state === "ended") {
        if (letter !== "\r")
          throw new UnreadableSourceError(`${path}, line ${line}: something follows a closing quote`);
      } else {
        state = "plain";
        cell += letter;
      }
    }
  }
  if (state === "quoted") throw new UnreadableSourceError(`${path}, line ${begun}: a quote is never closed`);
  if (cells.length === 0 && cell === "" && state === "start") return;
  endCell();
  if (cells.length > 1 || cells[0] !== "") yield { row: begun, cells };
}
