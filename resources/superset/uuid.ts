import { createHash } from "node:crypto";

/** Of all names that this project gives to objects in Superset: changing it would make every chart anew. */
const NAMESPACE = "6f1d4c0a-5b0e-5c39-9d53-2a4f0e8f7b61";

/**
 * The fixed UUID (version 5) of a thing that we make in Superset, so that it is found again, also in a Superset that was
 * rebuilt.
 *
 * @param kind What it is, such as `dataset` or `chart`.
 * @param parts What tells it from others of its kind, such as store, schema and table.
 * @see https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5
 */
export function supersetUuid(kind: string, ...parts: readonly string[]): string {
  // JSON, since a separator could be part of a name.
  const name = JSON.stringify([kind, ...parts]);
  const bytes = createHash("sha1")
    .update(Buffer.from(NAMESPACE.replaceAll("-", ""), "hex"))
    .update(name)
    .digest();
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}
