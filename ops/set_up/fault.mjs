/** Why set-up stopped: `code` for programs, `message` for people (what is missing and how to get it). */
export class SetUpFault extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "SetUpFault";
    this.code = code;
  }
}

/** What tools print when something outside the project is wrong, and what a person can do about it. */
const REASONS = [
  [
    "disk_full",
    /ENOSPC|No space left on device|Disk quota exceeded/i,
    "The disk is full. The tools and the sample data need about 1.5 GB.",
  ],
  [
    "lock_mismatch",
    /DO NOT MATCH THE HASHES|hash mismatch|EINTEGRITY|Hashes are required|hash.{0,40}(invalid|missing)/i,
    "A downloaded package is not the one that the lock file names. If a lock file was edited, restore it: " +
      "git checkout -- package-lock.json ops/python",
  ],
  [
    "not_permitted",
    /EACCES|EPERM|EROFS|Permission denied|Read-only file system/i,
    "A file may not be written. Is the checkout owned by another user (was a command run with sudo before)?",
  ],
  [
    "no_network",
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EIDLETIMEOUT|name resolution|Failed to establish a new connection|Connection (refused|reset|timed out)|dns error|ProxyError|SSLError|CERT_|certificate/i,
    "The package index cannot be reached. Check the network; behind a proxy set HTTPS_PROXY; behind a mirror set " +
      "npm config set registry … and pip config set global.index-url …",
  ],
  [
    "package_missing",
    /E404|ETARGET|No matching distribution|No solution found|not found in the package registry/i,
    "The package index does not have a version that the lock names. Behind a mirror, see that it is up to date: " +
      "npm config get registry; python3 -m pip config list",
  ],
];

/**
 * Names the reason of a failed command from what it printed.
 * @param {string} output
 * @returns {{ code: string, advice: string }}
 */
export function reasonOf(output) {
  for (const [code, pattern, advice] of REASONS) {
    if (pattern.test(output)) return { code, advice };
  }
  return { code: "command_failed", advice: "" };
}
