import { PipesArgumentError, describeValue } from "./errors.ts";
import { describeException, exceptionText } from "./exception.ts";
import { isPlainObject, jsonText, stringText } from "./json_text.ts";
import { demandFits, fitMetadata, fitText, splitText } from "./message_size.ts";
import { writeMetadata } from "./metadata_text.ts";
import type { PipesMessageChannel } from "./channel.ts";
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  messageLine,
  type PipesCheckSeverity,
  type PipesLogLevel,
  type PipesMethod,
  type PipesStream,
} from "./protocol.ts";
import { safeRedact, type Redact } from "./redaction.ts";
import { tapStream } from "./stream_tap.ts";

/** How messages leave. */
export interface MessageSenderOptions {
  readonly channel: PipesMessageChannel | undefined;
  readonly openedExtras?: Readonly<Record<string, unknown>> | undefined;
  readonly includeStdio?: boolean | undefined;
  readonly redact?: Redact | undefined;
  readonly maxMessageBytes?: number | undefined;
}

/** Room for the envelope around a text that is shortened or split. */
const ENVELOPE_BYTES = 400;

/** Writes each message of the protocol as one line of a bounded size. */
export class MessageSender {
  readonly #channel: PipesMessageChannel | undefined;
  readonly #openedExtras: Readonly<Record<string, unknown>>;
  readonly #includeStdio: boolean;
  readonly #redact: Redact | undefined;
  readonly #maxBytes: number;
  #untap: (() => void)[] = [];

  constructor(options: MessageSenderOptions) {
    this.#channel = options.channel;
    this.#openedExtras = options.openedExtras ?? {};
    this.#includeStdio = options.includeStdio ?? false;
    this.#redact = safeRedact(options.redact);
    // The newline belongs to the line.
    this.#maxBytes = (options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES) - 1;
  }

  opened(): void {
    const extras = jsonText(this.#openedExtras, { method: "opened", parameter: "extras" });
    this.#send("opened", `{"extras":${extras}}`, "opened");
    if (!this.#includeStdio || this.#channel === undefined) return;
    const streams: readonly PipesStream[] = ["stdout", "stderr"];
    this.#untap = streams.map((stream) =>
      tapStream(stream, (text) => {
        if (text !== "") this.externalStream(stream, text, {});
      }),
    );
  }

  closed(error: unknown): void {
    for (const untap of this.#untap.splice(0)) untap();
    const params =
      error === undefined
        ? "{}"
        : `{"exception":${exceptionText(describeException(error, this.#redact), this.#maxBytes - ENVELOPE_BYTES)}}`;
    this.#send("closed", params, "close");
  }

  log(message: string, level: PipesLogLevel): void {
    const text = fitText(this.#redacted(message), this.#maxBytes - ENVELOPE_BYTES);
    this.#send("log", `{"message":${stringText(text)},"level":"${level}"}`, "log");
  }

  materialization(assetKey: string, dataVersion: string | null, metadata: unknown): void {
    const method = "reportAssetMaterialization";
    const version = dataVersion === null ? "null" : stringText(dataVersion);
    const fixed = `"asset_key":${stringText(assetKey)},"data_version":${version}`;
    this.#sendWithMetadata("report_asset_materialization", fixed, metadata, method);
  }

  check(
    check: { assetKey: string; checkName: string; passed: boolean; severity: PipesCheckSeverity },
    metadata: unknown,
  ): void {
    const fixed =
      `"asset_key":${stringText(check.assetKey)},"check_name":${stringText(check.checkName)},` +
      `"passed":${check.passed},"severity":"${check.severity}"`;
    this.#sendWithMetadata("report_asset_check", fixed, metadata, "reportAssetCheck");
  }

  custom(payload: unknown): void {
    const method = "reportCustomMessage";
    const text = jsonText(payload, { method, parameter: "payload", mapText: this.#redact });
    this.#send("report_custom_message", `{"payload":${text}}`, method);
  }

  externalStream(stream: PipesStream, text: string, extras: unknown): void {
    const method = "logExternalStream";
    if (!isPlainObject(extras)) {
      throw new PipesArgumentError({ method, parameter: "extras", expected: "an object", got: describeValue(extras) });
    }
    const extrasText = jsonText(extras, { method, parameter: "extras", mapText: this.#redact });
    const room = Math.max(1_000, this.#maxBytes - ENVELOPE_BYTES - extrasText.length);
    for (const piece of splitText(this.#redacted(text), room)) {
      const params = `{"stream":"${stream}","text":${stringText(piece)},"extras":${extrasText}}`;
      this.#send("log_external_stream", params, method);
    }
  }

  #sendWithMetadata(wire: PipesMethod, fixed: string, metadata: unknown, method: string): void {
    const entries = writeMetadata(metadata, { method, redact: this.#redact });
    if (entries === null) {
      this.#send(wire, `{${fixed},"metadata":null}`, method);
      return;
    }
    const envelope = messageLine(wire, `{${fixed},"metadata":{}}`);
    // What cannot be shortened is refused before the metadata is blamed for it.
    demandFits(envelope, this.#maxBytes, method);
    const fitted = fitMetadata(entries, this.#maxBytes - envelope.length);
    this.#send(wire, `{${fixed},"metadata":{${fitted.text}}}`, method);
  }

  #send(wire: PipesMethod, params: string, method: string): void {
    const line = messageLine(wire, params);
    demandFits(line, this.#maxBytes, method);
    this.#channel?.write(line);
  }

  #redacted(text: string): string {
    return this.#redact === undefined ? text : this.#redact(text);
  }
}
