import { posix } from "node:path";
import { Package, corrupt } from "./package.ts";
import { readXml } from "./xml.ts";

/** A sheet of a workbook. */
export interface SheetPart {
  readonly name: string;
  readonly part: string;
}

/** A name, and what it refers to. */
export interface DefinedName {
  readonly name: string;
  readonly reference: string;
  readonly isOfOneSheet: boolean;
}

/** What is known of a workbook before one of its sheets is read. */
export interface Workbook {
  readonly parts: Package;
  readonly sheets: readonly SheetPart[];
  /** Those of the whole workbook, and those of one sheet: a copied sheet brings its own of the same name along. */
  readonly names: readonly DefinedName[];
  readonly from1904: boolean;
  readonly sharedStrings: readonly string[];
  /** Styles, by their number, that show a number as a date or a time. */
  readonly dateStyles: ReadonlySet<number>;
}

/** A table of a sheet. */
export interface SheetTable {
  readonly sheet: SheetPart;
  readonly name: string;
  readonly reference: string;
  readonly headerRows: number;
  readonly totalsRows: number;
}

/**
 * Opens a workbook. Close its `parts`.
 *
 * @throws EncryptedWorkbookError, CorruptWorkbookError, UnreadableSourceError
 */
export async function openWorkbook(path: string): Promise<Workbook> {
  const parts = await Package.open(path);
  try {
    const [main] = await relations(parts, "", "officeDocument");
    if (main === undefined) throw new Error("it has no workbook part");
    const sheets: { name: string; id: string }[] = [];
    const names: DefinedName[] = [];
    let from1904 = false;
    let name = "";
    let isOfOneSheet = false;
    await readXml(parts.read(main.part), {
      open: (element, attributes) => {
        if (element === "sheet") sheets.push({ name: attributes["name"] ?? "", id: idOf(attributes) });
        if (element === "workbookPr") from1904 = isTrue(attributes["date1904"]);
        if (element === "definedName") {
          name = attributes["name"] ?? "";
          isOfOneSheet = attributes["localSheetId"] !== undefined;
        }
      },
      close: (element, text) => {
        if (element === "definedName") names.push({ name, reference: text, isOfOneSheet });
      },
    });
    const related = await relations(parts, main.part);
    const byType = (type: string): string | undefined => related.find((one) => one.type === type)?.part;
    return {
      parts,
      sheets: sheets.flatMap((sheet) => {
        const found = related.find(({ id, type }) => id === sheet.id && type === "worksheet");
        return found === undefined ? [] : [{ name: sheet.name, part: found.part }];
      }),
      names,
      from1904,
      sharedStrings: await readSharedStrings(parts, byType("sharedStrings")),
      dateStyles: await readDateStyles(parts, byType("styles")),
    };
  } catch (error) {
    parts.close();
    throw corrupt(path, error);
  }
}

/** The tables of all sheets. */
export async function tablesOf({ parts, sheets }: Workbook): Promise<SheetTable[]> {
  const tables: SheetTable[] = [];
  for (const sheet of sheets) {
    for (const { part } of await relations(parts, sheet.part, "table")) {
      await readXml(parts.read(part), {
        open: (element, attributes) => {
          if (element !== "table") return;
          tables.push({
            sheet,
            name: attributes["displayName"] ?? attributes["name"] ?? "",
            reference: attributes["ref"] ?? "",
            headerRows: Number(attributes["headerRowCount"] ?? "1"),
            totalsRows: Number(attributes["totalsRowCount"] ?? "0"),
          });
        },
      });
    }
  }
  return tables;
}

interface Relation {
  readonly id: string;
  /** The last word of its address. */
  readonly type: string;
  readonly part: string;
}

async function relations(parts: Package, of: string, type?: string): Promise<Relation[]> {
  const folder = posix.dirname(of === "" ? "x" : of);
  const part = posix.join(folder, "_rels", `${posix.basename(of)}.rels`);
  if (!parts.has(part)) return [];
  const found: Relation[] = [];
  await readXml(parts.read(part), {
    open: (element, { Id = "", Type = "", Target = "", TargetMode }) => {
      if (element !== "Relationship" || TargetMode === "External") return;
      const target = Target.startsWith("/") ? Target.slice(1) : posix.join(folder, Target);
      found.push({ id: Id, type: Type.slice(Type.lastIndexOf("/") + 1), part: target });
    },
  });
  return type === undefined ? found : found.filter((one) => one.type === type);
}

async function readSharedStrings(parts: Package, part: string | undefined): Promise<string[]> {
  const strings: string[] = [];
  if (part === undefined) return strings;
  let text = "";
  // How a reading aid is written is not what the cell says.
  let isPhonetic = false;
  await readXml(parts.read(part), {
    open: (element) => {
      if (element === "si") text = "";
      if (element === "rPh") isPhonetic = true;
    },
    close: (element, piece) => {
      if (element === "t" && !isPhonetic) text += piece;
      if (element === "rPh") isPhonetic = false;
      if (element === "si") strings.push(unescapeText(text));
    },
  });
  return strings;
}

/** Formats that are dates without being written out. @see ECMA-376 part 1, 18.8.30 */
const isBuiltInDate = (id: number): boolean =>
  (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) || (id >= 50 && id <= 58);

async function readDateStyles(parts: Package, part: string | undefined): Promise<Set<number>> {
  const formats = new Map<number, string>();
  const styles: number[] = [];
  if (part !== undefined) {
    let isCell = false;
    await readXml(parts.read(part), {
      open: (element, attributes) => {
        if (element === "numFmt") formats.set(Number(attributes["numFmtId"]), attributes["formatCode"] ?? "");
        if (element === "cellXfs") isCell = true;
        if (element === "xf" && isCell) styles.push(Number(attributes["numFmtId"] ?? "0"));
      },
      close: (element) => {
        if (element === "cellXfs") isCell = false;
      },
    });
  }
  return new Set([...styles.keys()].filter((style) => isDate(styles[style] ?? 0, formats)));
}

function isDate(id: number, formats: ReadonlyMap<number, string>): boolean {
  const code = formats.get(id);
  if (code === undefined) return isBuiltInDate(id);
  // Without texts, escaped characters, and colours or currencies in brackets; "[h]" is a time.
  const plain = code.replaceAll(/"[^"]*"|\\.|_.|\*./g, "").replaceAll(/\[(?![hms]+\])[^\]]*\]/gi, "");
  return /[dmyhs]/i.test(plain) && !/general/i.test(plain);
}

/** Characters that XML has no form for are written as `_x000D_`. */
export function unescapeText(text: string): string {
  return text.includes("_x")
    ? text.replaceAll(/_x([0-9A-Fa-f]{4})_/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text;
}

function idOf(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes).find(([name]) => name.endsWith(":id"))?.[1] ?? "";
}

function isTrue(text: string | undefined): boolean {
  return text === "1" || text === "true";
}
