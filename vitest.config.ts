import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/fixtures/**", "node_modules/**"],
    // Real engines on two shared cores: a limit that only a hang can reach.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Starts nothing by itself: the first test that asks for Superset does.
    globalSetup: ["test/integration/superset/shared_superset.ts"],
    pool: "forks",
    maxWorkers: 2,
  },
});
