import type { AsyncMessageChannel, PipesContextLoader, PipesMessageWriter } from "./channel.ts";
import {
  objectStoreContextLoader,
  objectStoreMessageWriter,
  type ObjectStore,
  type ObjectStoreWriterOptions,
} from "./object_store.ts";

/** The two calls that Pipes makes to S3. `new S3({…})` of `@aws-sdk/client-s3` is one of these. */
export interface S3Like {
  getObject(request: { Bucket: string; Key: string }): Promise<{
    Body?: { transformToString(encoding?: string): Promise<string> } | undefined;
  }>;
  putObject(request: { Bucket: string; Key: string; Body: string }): Promise<unknown>;
}

/**
 * Loads the context that `PipesS3ContextInjector` wrote.
 *
 * @example
 * ```ts
 * const client = new S3({});
 * await runWithPipes(work, { contextLoader: s3ContextLoader(client), messageWriter: s3MessageWriter(client) });
 * ```
 */
export function s3ContextLoader(client: S3Like): PipesContextLoader {
  return objectStoreContextLoader(s3Store(client));
}

/** Writes messages for `PipesS3MessageReader`. */
export function s3MessageWriter(
  client: S3Like,
  options: ObjectStoreWriterOptions = {},
): PipesMessageWriter<AsyncMessageChannel> {
  return objectStoreMessageWriter(s3Store(client), options);
}

function s3Store(client: S3Like): ObjectStore {
  return {
    async get(bucket, key) {
      const { Body: body } = await client.getObject({ Bucket: bucket, Key: key });
      if (body === undefined) throw new Error("the object has no body");
      return body.transformToString("utf-8");
    },
    async put(bucket, key, text) {
      await client.putObject({ Bucket: bucket, Key: key, Body: text });
    },
  };
}
