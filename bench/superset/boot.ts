import { rmSync } from "node:fs";
import path from "node:path";
import { startEngine } from "../../ops/engines/start_engine.ts";
import { checkout } from "../../ops/process.ts";
import type { Contender } from "../lib/contest.ts";
import { freshFolder } from "../lib/project.ts";

/** Until a Superset that was never started here answers; its packages are installed. */
export const FIRST_BOOT = "Superset, first boot";
/** The same data folder again. */
export const LATER_BOOT = "Superset, later boot";

/** Boots of the local Superset: the first makes the template of its metadata, the later ones find data folders. */
export function bootContenders(): [Contender, Contender] {
  let dataDir = "";
  const boot = async (): Promise<{ readonly seconds: number }> => {
    const start = performance.now();
    const superset = await startEngine("superset", { dataDir });
    const seconds = (performance.now() - start) / 1000;
    await superset.stop();
    return { seconds };
  };
  return [
    {
      name: FIRST_BOOT,
      run: async () => {
        dataDir = path.join(freshFolder("superset", "boot"), "superset");
        rmSync(path.join(checkout, ".state/engines/superset/template"), { recursive: true, force: true });
        return await boot();
      },
    },
    { name: LATER_BOOT, run: boot },
  ];
}
