import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../../ops/engines/start_engine.ts";
import { openClickHouse } from "./clickhouse_harness.ts";
import { describeStore } from "./contract.ts";

describeStore("ClickHouse", async () => {
  const folder = mkdtempSync(join(tmpdir(), "clickhouse-engine-"));
  const engine = await startEngine("clickhouse", { dataDir: join(folder, "engine") });
  const harness = await openClickHouse(engine.url);
  return {
    ...harness,
    close: async () => {
      await harness.close();
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
