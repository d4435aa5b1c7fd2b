import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { SupersetClient } from "../../../resources/superset/client/client.ts";
import type { LocalSuperset } from "./local_superset.ts";

/** What docs/superset.md asks for the service account: permission and what it is for. */
const RIGHTS = [
  "can_read on Database",
  "can_read on Dataset",
  "can_write on Dataset",
  "can_read on Chart",
  "can_write on Chart",
  "can_warm_up_cache on Chart",
  "can_read on Dashboard",
  "can_write on Dashboard",
  "can_read on SecurityRestApi",
  "all_database_access on all_database_access",
  "all_datasource_access on all_datasource_access",
];

const named = z.object({ name: z.string() });
const right = z.object({ id: z.number(), permission: named, view_menu: named });
const made = z.object({ id: z.number() });

/** Superset gives them in no order unless it is asked for one, so that pages would overlap. */
async function allRights(admin: SupersetClient): Promise<z.infer<typeof right>[]> {
  const found: z.infer<typeof right>[] = [];
  for (let page = 0; ; page += 1) {
    const query = { page, page_size: 100, order_column: "id", order_direction: "asc" };
    const answer = z.object({ count: z.number(), result: z.array(right) });
    const { count, result } = await admin.get("/security/permissions-resources/", answer, { query });
    found.push(...result);
    if (found.length >= count) return found;
  }
}

/** A user with those rights and no others. */
export async function serviceAccount(superset: LocalSuperset): Promise<{ username: string; password: string }> {
  const admin = superset.client();
  const all = await allRights(admin);
  const ids = RIGHTS.map((wanted) => {
    const found = all.find(({ permission, view_menu: on }) => `${permission.name} on ${on.name}` === wanted);
    if (found === undefined) throw new Error(`Superset has no right ${wanted}`);
    return found.id;
  });
  const username = `service_${randomUUID().slice(0, 8)}`;
  const role = await admin.post("/security/roles/", { name: username }, made);
  const body = { permission_view_menu_ids: ids };
  await admin.post(`/security/roles/${role.id}/permissions`, body, z.unknown());
  const password = randomUUID();
  const person = { first_name: "Service", last_name: "Account", active: true, email: `${username}@localhost` };
  await admin.post("/security/users/", { ...person, username, password, roles: [role.id] }, made);
  return { username, password };
}
