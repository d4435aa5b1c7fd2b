import { connect } from "node:net";

/** Where a session's statement can be cancelled, and the proof that one may. */
export interface CancelKey {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
}

/** @see https://www.postgresql.org/docs/current/protocol-message-formats.html CancelRequest */
const CANCEL_REQUEST_CODE = 80_877_102;
const LENGTH_BYTES = 16;
const TIMEOUT_MS = 10_000;

/**
 * Asks the server to end the statement that a session is running, over a connection of its own, as the protocol wants
 * it; PgBouncer passes it on. Resolves when the server has taken the request, also in vain: there is no answer, only the
 * end that the server makes. PgBouncer 1.18 takes a client that ends first for one that gave up: it throws the
 * request away, and may exit with all of its connections.
 */
export function requestCancel({ host, port, processID, secretKey }: CancelKey): Promise<void> {
  const request = Buffer.alloc(LENGTH_BYTES);
  request.writeInt32BE(LENGTH_BYTES, 0);
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  return new Promise((resolve) => {
    // A folder is that of a Unix socket.
    const place = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
    const socket = connect({ ...place, timeout: TIMEOUT_MS }, () => socket.write(request));
    socket.on("timeout", () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("close", () => {
      resolve();
    });
    // Without reading, the server's end would not be seen; this side's follows it.
    socket.resume();
  });
}
