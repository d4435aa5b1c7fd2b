/** What `WAREHOUSE` says: a store for all schemas, and schemas that have another. Names are not looked up yet. */
export interface WarehouseChoices {
  /** `undefined`: it says nothing of all. */
  readonly ofAll: string | undefined;
  readonly ofSchema: ReadonlyMap<string, string>;
}

const EXPECTED = "expected a store, then schemas that live elsewhere, such as postgres,marts=clickhouse";

/**
 * Reads `WAREHOUSE`. Spaces around names do not count; nothing else is forgiven, since a choice that is not heard puts
 * tables into the wrong store.
 *
 * @returns a message when it cannot be read
 */
export function parseWarehouse(text: string | undefined): WarehouseChoices | string {
  const ofSchema = new Map<string, string>();
  let ofAll: string | undefined;
  if (text === undefined || text.trim() === "") return { ofAll, ofSchema };
  const fault = (what: string): string => `WAREHOUSE=${JSON.stringify(text)}: ${what}; ${EXPECTED}`;
  for (const part of text.split(",")) {
    const [first = "", second, ...others] = part.split("=").map((name) => name.trim());
    if (first === "" || second === "" || others.length > 0)
      return fault(`${JSON.stringify(part.trim())} is neither a store nor schema=store`);
    if (second === undefined) {
      if (ofAll !== undefined) return fault(`${ofAll} and ${first} cannot both be the store of all schemas`);
      ofAll = first;
    } else if (ofSchema.has(first)) {
      return fault(`the schema ${first} is there twice`);
    } else {
      ofSchema.set(first, second);
    }
  }
  return { ofAll, ofSchema };
}

/** The text of `WAREHOUSE` that says so. */
export function formatWarehouse({ ofAll, ofSchema }: WarehouseChoices): string {
  return [...(ofAll === undefined ? [] : [ofAll]), ...[...ofSchema].map((choice) => choice.join("="))].join(",");
}
