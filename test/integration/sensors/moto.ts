import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** Ends with its standard input, so never later than this test. */
const SERVER = `
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
server.stop()
`;

/** A server that speaks S3. */
export interface Moto {
  readonly endpoint: string;
  readonly stop: () => Promise<void>;
}

/** Starts moto on this machine. */
export async function startMoto(): Promise<Moto> {
  const server = spawn(".venv/bin/python", ["-c", SERVER], { stdio: ["pipe", "pipe", "ignore"] });
  const [endpoint] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
  return {
    endpoint,
    stop: async () => {
      server.stdin.end();
      await once(server, "exit");
    },
  };
}
