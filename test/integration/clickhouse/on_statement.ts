import { afterEach, vi } from "vitest";
import { Client } from "../../../resources/clickhouse/client.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Calls back with the text of each statement of this test when it was answered; what it throws takes the answer's place. */
export function onStatement(act: (text: string) => Promise<void> | void): void {
  const prototype = Client.prototype as unknown as Record<
    string,
    (this: Client, ...given: unknown[]) => Promise<unknown>
  >;
  for (const way of ["run", "text", "insertStream"]) {
    const original = prototype[way];
    vi.spyOn(prototype, way).mockImplementation(async function (this: Client, ...given) {
      const answer = await original?.apply(this, given);
      const [statement] = given as [string | { readonly text: string }];
      await act(typeof statement === "string" ? statement : statement.text);
      return answer;
    });
  }
}
