import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { inject } from "vitest";
import { SupersetClient, type SupersetClientOptions } from "../../../resources/superset/client/client.ts";
import type { SharedSuperset } from "./shared_superset.ts";

/** The first test of the first run may have to install Superset. */
export const SUPERSET_TIMEOUT_MS = 900_000;

/** The Superset of this run of vitest, for tests. */
export interface LocalSuperset extends SharedSuperset {
  /** A client of the administrator; options replace ours. */
  readonly client: (options?: Partial<SupersetClientOptions>) => SupersetClient;
  /** The environment that the code location would have. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The Superset that all tests of this run share, with Redis as its cache; started when first asked for. Whatever a test
 * makes in it has a name or a schema of the test's own.
 *
 * @example
 * let superset: LocalSuperset;
 * beforeAll(async () => void (superset = await localSuperset()), SUPERSET_TIMEOUT_MS);
 */
export async function localSuperset(): Promise<LocalSuperset> {
  const socket = connect(inject("supersetSocket"));
  await once(socket, "connect");
  const answer = JSON.parse(await text(socket)) as { superset: SharedSuperset } | { fault: string };
  if ("fault" in answer) throw new Error(`Superset did not start: ${answer.fault}`);
  const { superset } = answer;
  const { url, username, password } = superset;
  return {
    ...superset,
    client: (options = {}) => new SupersetClient({ url, credentials: { username, password }, ...options }),
    env: {
      SUPERSET_URL: url,
      SUPERSET_USERNAME: username,
      SUPERSET_PASSWORD: password,
      SUPERSET_ADMIN_USERNAME: username,
      SUPERSET_ADMIN_PASSWORD: password,
    },
  };
}
