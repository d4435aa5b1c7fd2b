import { openBlobChannel, type BlobChannelOptions } from "./blob_channel.ts";
import type { AsyncMessageChannel, PipesContextLoader, PipesMessageWriter } from "./channel.ts";
import { parseContext, textParam } from "./defaults.ts";
import { PipesBootstrapError, PipesDeliveryError } from "./errors.ts";

/** An object store, as far as Pipes needs one. Write one of these to use another store than S3. */
export interface ObjectStore {
  /** Reads an object as UTF-8 text. */
  get(bucket: string, key: string): Promise<string>;
  /** Creates or replaces an object. */
  put(bucket: string, key: string, text: string): Promise<void>;
}

/** When chunks of messages are stored. */
export type ObjectStoreWriterOptions = Omit<BlobChannelOptions, "upload">;

/** Loads the context from an object (`{bucket, key}`), as the S3, GCS and Azure injectors write it. */
export function objectStoreContextLoader(store: ObjectStore): PipesContextLoader {
  return {
    async loadContext(params) {
      const [bucket, key] = [textParam(params, "bucket"), textParam(params, "key")];
      let text: string;
      try {
        text = await store.get(bucket, key);
      } catch (cause) {
        throw new PipesDeliveryError(`The Pipes context cannot be read from ${bucket}/${key}.`, { cause });
      }
      return parseContext(text, `${bucket}/${key}`);
    },
  };
}

/** Writes messages as objects `{key_prefix}/{n}.json` (`{bucket, key_prefix?}`), as the S3, GCS and Azure readers expect. */
export function objectStoreMessageWriter(
  store: ObjectStore,
  options: ObjectStoreWriterOptions = {},
): PipesMessageWriter<AsyncMessageChannel> {
  return {
    open(params) {
      const bucket = textParam(params, "bucket");
      const prefix = params["key_prefix"] ?? "";
      if (typeof prefix !== "string") {
        throw new PipesBootstrapError("The Pipes parameter `key_prefix` must be a string where it is given.");
      }
      return openBlobChannel({
        ...options,
        upload: (text, index) => store.put(bucket, prefix === "" ? `${index}.json` : `${prefix}/${index}.json`, text),
      });
    },
  };
}
