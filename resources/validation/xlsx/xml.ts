import { SaxesParser } from "saxes";

/** Hears of the elements of a part, under their names without a prefix. */
export interface XmlListener {
  readonly open?: (name: string, attributes: Readonly<Record<string, string>>) => void;
  /** @param text What stood directly in the element. */
  readonly close?: (name: string, text: string) => void;
}

/** Reads XML as it arrives. Declares no entities of its own, whatever the document says. */
export async function readXml(chunks: AsyncIterable<string>, { open, close }: XmlListener): Promise<void> {
  const parser = new SaxesParser<{ position: false; xmlns: false }>({ position: false, xmlns: false });
  let text = "";
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("doctype", () => {
    throw new Error("it declares a document type, which no workbook does");
  });
  parser.on("opentag", ({ name, attributes }) => {
    text = "";
    open?.(localName(name), attributes);
  });
  parser.on("text", (piece) => {
    text += piece;
  });
  parser.on("cdata", (piece) => {
    text += piece;
  });
  parser.on("closetag", ({ name }) => {
    close?.(localName(name), text);
    text = "";
  });
  for await (const chunk of chunks) parser.write(chunk);
  parser.close();
}

function localName(name: string): string {
  const colon = name.indexOf(":");
  return colon === -1 ? name : name.slice(colon + 1);
}
