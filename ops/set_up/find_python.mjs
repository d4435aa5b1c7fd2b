import { spawnSync } from "node:child_process";
import { SetUpFault } from "./fault.mjs";

const OLDEST = 10;
const NEWEST = 14;

const PROBE =
  "import json, sys, importlib.util as u; print(json.dumps({" +
  "'version': list(sys.version_info[:3]), 'executable': sys.executable, " +
  "'venv': bool(u.find_spec('venv')) and bool(u.find_spec('ensurepip'))}))";

/**
 * Finds a Python that can make the environment: `$PYTHON`, `python3`, then `python3.13` and the like.
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ executable: string, version: string }}
 * @throws {SetUpFault} `python_missing`, `python_version` or `python_venv_missing`, saying what was found
 */
export function findPython(env) {
  const names = env.PYTHON
    ? [env.PYTHON]
    : ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
  const found = [];
  let withoutVenv;
  for (const name of names) {
    const probe = spawnSync(name, ["-c", PROBE], { env, encoding: "utf8", timeout: 30_000 });
    if (probe.status !== 0) continue;
    const { version, executable, venv } = JSON.parse(probe.stdout);
    const text = version.join(".");
    found.push(`${name} is ${text}`);
    if (version[0] !== 3 || version[1] < OLDEST || version[1] > NEWEST) continue;
    if (venv) return { executable, version: text };
    withoutVenv ??= { name, text, minor: version[1] };
  }
  if (withoutVenv !== undefined) {
    throw new SetUpFault(
      "python_venv_missing",
      `${withoutVenv.name} (${withoutVenv.text}) cannot make virtual environments: its venv or ensurepip module is missing.\n` +
        `Debian and Ubuntu: sudo apt install python3-venv (or python3.${withoutVenv.minor}-venv). Fedora: sudo dnf install python3-pip.`,
    );
  }
  const wanted = `Python 3.${OLDEST} to 3.${NEWEST} is needed`;
  const how =
    "Debian and Ubuntu: sudo apt install python3 python3-venv. macOS: brew install python. " +
    "Others: https://www.python.org/downloads/. To use a certain one: PYTHON=/path/to/python3 npm start";
  throw found.length === 0
    ? new SetUpFault("python_missing", `${wanted}; none was found as ${names.join(", ")}.\n${how}`)
    : new SetUpFault("python_version", `${wanted}; ${found.join(", ")}.\n${how}`);
}
