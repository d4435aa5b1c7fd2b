import { connect } from "node:net";

/** @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST */
const CANCEL_REQUEST = 80_877_102;
const REQUEST_BYTES = 16;

/** What a server tells a connection about itself, so that it can ask for the end of its statement. */
export interface CancelKey {
  readonly host: string;
  readonly port: number;
  readonly processId: number;
  readonly secret: number;
}

/** Asks the server to end the statement that a connection is running. PgBouncer passes it on. */
export function requestCancel({ host, port, processId, secret }: CancelKey): void {
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeInt32BE(REQUEST_BYTES, 0);
  request.writeInt32BE(CANCEL_REQUEST, 4);
  request.writeInt32BE(processId, 8);
  request.writeInt32BE(secret, 12);
  const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.on("error", () => {
    // There is no answer to a cancel request either: it is repeated as long as the statement runs.
  });
  socket.end(request);
}
