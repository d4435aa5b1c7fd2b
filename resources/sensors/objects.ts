import { globPattern } from "./glob.ts";
import type { ListedFile, Listing } from "./listing.ts";

/** The one call that a sensor makes to S3. `new S3({…})` of `@aws-sdk/client-s3` is one of these. */
export interface S3Listing {
  listObjectsV2(request: { Bucket: string; Prefix?: string; ContinuationToken?: string }): Promise<{
    Contents?:
      | {
          Key?: string | undefined;
          ETag?: string | undefined;
          Size?: number | undefined;
          LastModified?: Date | undefined;
        }[]
      | undefined;
    IsTruncated?: boolean | undefined;
    NextContinuationToken?: string | undefined;
  }>;
}

/** The objects of a bucket. */
export interface Objects {
  readonly client: () => S3Listing | Promise<S3Listing>;
  readonly bucket: string;
  readonly prefix: string;
}

/**
 * The objects of a bucket of S3, or of what speaks its language.
 *
 * @param client Makes the client; called at a tick, so that declaring the sensor opens nothing.
 * @param options.prefix Such as `"inbox/"`. Default: the whole bucket.
 * @example
 * ```ts
 * import { newFiles, s3 } from "dagster-typescript/sensors";
 *
 * const client = async () => new (await import("@aws-sdk/client-s3")).S3({ region: "eu-central-1" });
 * export const inbox = newFiles({ objects: s3(client, { bucket: "shop", prefix: "inbox/" }), pattern: "*.csv" });
 * ```
 */
export function s3(
  client: () => S3Listing | Promise<S3Listing>,
  options: { readonly bucket: string; readonly prefix?: string },
): Objects {
  return { client, bucket: options.bucket, prefix: options.prefix ?? "" };
}

/** The objects below a prefix, page by page. */
export function listObjects({ client, bucket, prefix }: Objects, pattern: string): Listing {
  const wanted = globPattern(pattern);
  return {
    place: `s3://${bucket}/${prefix}`,
    isAtomic: true,
    list: async (signal) => {
      const store = await client();
      const found: ListedFile[] = [];
      let token: string | undefined;
      do {
        signal.throwIfAborted();
        const page = await store.listObjectsV2({
          Bucket: bucket,
          ...(prefix === "" ? {} : { Prefix: prefix }),
          ...(token === undefined ? {} : { ContinuationToken: token }),
        });
        for (const { Key: key = "", ETag: etag = "", Size: size = 0, LastModified: at } of page.Contents ?? []) {
          const name = key.slice(prefix.length);
          // A key that ends in a slash stands for a folder.
          if (name === "" || name.endsWith("/") || !wanted.test(name)) continue;
          found.push({ name, sizeBytes: size, modifiedAt: at ?? new Date(0), mark: `${etag}-${size}`, arrivedAt: at });
        }
        token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    identify: (file) => Promise.resolve(file.mark),
  };
}
