import { z } from "zod";
import { toRison } from "../../../resources/superset/client/rison.ts";
import type { LocalSuperset } from "./local_superset.ts";

const login = z.object({ access_token: z.string() });
const proof = z.object({ result: z.string() });

/** The archive that Superset's own "Export" makes of a chart. */
export async function exportChart({ url, ...account }: LocalSuperset, id: number): Promise<Blob> {
  const headers = await headersOf(url, account);
  const answer = await fetch(`${url}/api/v1/chart/export/?q=${toRison([id])}`, { headers });
  if (!answer.ok) throw new Error(`the export was answered ${answer.status}: ${await answer.text()}`);
  return await answer.blob();
}

/** Superset's own "Import charts". */
export async function importChart({ url, ...account }: LocalSuperset, archive: Blob): Promise<void> {
  const headers = await headersOf(url, account);
  const body = new FormData();
  body.set("formData", archive, "chart.zip");
  const answer = await fetch(`${url}/api/v1/chart/import/`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`the import was answered ${answer.status}: ${await answer.text()}`);
}

/** Our client reads and sends JSON alone. */
async function headersOf(
  url: string,
  { username, password }: Pick<LocalSuperset, "username" | "password">,
): Promise<Record<string, string>> {
  const entered = await fetch(`${url}/api/v1/security/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password, provider: "db" }),
  });
  const authorization = `Bearer ${login.parse(await entered.json()).access_token}`;
  const answer = await fetch(`${url}/api/v1/security/csrf_token/`, { headers: { authorization } });
  const cookie = answer.headers.getSetCookie().map((line) => line.split(";")[0]);
  return {
    authorization,
    cookie: cookie.join("; "),
    referer: url,
    "x-csrftoken": proof.parse(await answer.json()).result,
  };
}
