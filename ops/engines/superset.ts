import { createHash, randomBytes, scryptSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { checkout } from "../process.ts";
import { withDataFolder, type DataFolder } from "./data_folder.ts";
import type { LocalSuperset, SupersetOptions } from "./engine.ts";
import { runEngine } from "./engine_process.ts";
import { installEngine } from "./install.ts";
import { copyTemplate, startMetadata, templateOf, upgrade } from "./superset/metadata.ts";

const USER = "admin";
const HOME = path.join(checkout, ".state/engines/superset");
const CONFIG = path.join(import.meta.dirname, "superset/superset_config.py");
const DIALECTS = path.join(checkout, "resources/hyper/sqlalchemy");

/**
 * Starts Superset with one worker process and its metadata in a PostgreSQL of its own, both in the data folder.
 *
 * Making the metadata takes half a minute; that is done once for the checkout, and each new data folder gets a copy.
 */
export async function startSuperset(options: SupersetOptions): Promise<LocalSuperset> {
  // The Python that its environment was made of may be gone since.
  if (!existsSync(pythonOf(HOME))) rmSync(path.join(HOME, "set_up.json"), { force: true });
  const home = await installEngine("superset");
  const template = await templateOf(home, (url) => environment(path.join(home, "home"), url, "no secret is kept yet"));
  return withDataFolder(options.dataDir, async (folder) => {
    const isNew = copyTemplate(template, folder);
    const metadata = await startMetadata(folder.path);
    try {
      const env = environmentOf(folder, metadata.url, options.redisUrl);
      await upgrade(template, folder, env);
      await setPassword(metadata.url, folder.password);
      const engine = await run(home, folder, env, options.port ?? 0);
      const ended = engine.ended.then(metadata.stop);
      const stop = async (): Promise<void> => {
        await engine.stop();
        await ended;
      };
      const account = { username: USER, password: folder.password, isNew };
      return { ...engine, ...account, ended, stop, [Symbol.asyncDispose]: stop };
    } catch (error) {
      await metadata.stop();
      throw error;
    }
  });
}

const pythonOf = (home: string): string => path.join(home, "env/bin/python");

function run(home: string, folder: DataFolder, env: NodeJS.ProcessEnv, port: number): ReturnType<typeof runEngine> {
  const settings = ["--workers=1", "--worker-class=gthread", "--threads=8", "--timeout=300", "--keep-alive=30"];
  return runEngine(folder, {
    name: "superset",
    port,
    command: (chosen) => [
      pythonOf(home),
      ...["-m", "gunicorn", ...settings, `--bind=127.0.0.1:${chosen}`, "superset.app:create_app()"],
    ],
    env,
    // On SIGINT it does not wait for requests that are under way.
    signals: "SIGINT:5000,SIGKILL:5000",
    url: (chosen) => `http://127.0.0.1:${chosen}`,
    ping: async (url) => {
      const answer = await fetch(`${url}/health`);
      if (!answer.ok) throw new Error(`/health answered ${answer.status}`);
    },
  });
}

function environmentOf(folder: DataFolder, metadataUrl: string, redisUrl: string | undefined): NodeJS.ProcessEnv {
  return {
    ...environment(path.join(folder.path, "home"), metadataUrl, keepSecretKey(path.join(folder.path, "secret_key"))),
    ...(redisUrl === undefined ? {} : { SUPERSET_REDIS_URL: redisUrl }),
  };
}

function environment(home: string, metadataUrl: string, secretKey: string): NodeJS.ProcessEnv {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return {
    SUPERSET_CONFIG_PATH: CONFIG,
    SUPERSET_HOME: home,
    SUPERSET_DIALECTS: DIALECTS,
    SUPERSET_METADATA_URL: metadataUrl.replace(/^postgres:/, "postgresql:"),
    SUPERSET_SECRET_KEY: secretKey,
    // Several Supersets may share a Redis.
    SUPERSET_CACHE_PREFIX: `superset_${createHash("sha256").update(secretKey).digest("hex").slice(0, 12)}`,
    PYTHONUNBUFFERED: "1",
  };
}

/** Encrypts the passwords of databases in the metadata; without it they cannot be read again. */
function keepSecretKey(file: string): string {
  if (!existsSync(file)) writeFileSync(file, randomBytes(42).toString("base64"), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

/** Four seconds quicker than Superset's own command. */
async function setPassword(metadataUrl: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: metadataUrl });
  await client.connect();
  try {
    await client.query("UPDATE ab_user SET password = $1 WHERE username = $2", [hash(password), USER]);
  } finally {
    await client.end();
  }
}

/** @see https://werkzeug.palletsprojects.com/en/stable/utils/#werkzeug.security.generate_password_hash */
function hash(password: string): string {
  const [cost, blockSize, parallelization] = [32_768, 8, 1];
  const salt = randomBytes(12).toString("hex");
  const options = { cost, blockSize, parallelization, maxmem: 132 * cost * blockSize * parallelization };
  const key = scryptSync(password, salt, 64, options).toString("hex");
  return `scrypt:${cost}:${blockSize}:${parallelization}$${salt}$${key}`;
}
