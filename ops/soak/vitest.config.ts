import path from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: path.resolve(import.meta.dirname, "../.."),
    include: ["test/**/*.soak.ts"],
    globalSetup: ["test/integration/superset/shared_superset.ts"],
    exclude: ["**/fixtures/**", "node_modules/**"],
    testTimeout: 4 * 3600_000,
    hookTimeout: 600_000,
    pool: "forks",
    // One at a time: they measure and they fill the machine.
    maxWorkers: 1,
  },
});
