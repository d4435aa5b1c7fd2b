import { afterAll, beforeAll, expect, test } from "vitest";
import { date, defineAsset, defineSensor, z } from "../../../definitions/index.ts";
import { newFiles, s3, type S3Listing } from "../../../resources/sensors/index.ts";
import { testSensor } from "../../../runtime/testing.ts";
import { type Moto, startMoto } from "./moto.ts";

const orders = defineAsset("shop/orders", {
  description: "x",
  columns: z.strictObject({ day: date() }),
  body: { async *rows() {} },
});

let endpoint = "";
let moto: Moto;

beforeAll(async () => {
  moto = await startMoto();
  endpoint = moto.endpoint;
  await request("shop", { method: "PUT" });
});

afterAll(async () => {
  await moto.stop();
});

async function request(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(`${endpoint}/${path}`, init);
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response;
}

async function put(key: string, body: string): Promise<void> {
  // Nobody signs: what exists may be written and removed only by those whom it lets.
  await request(`shop/${key}`, { method: "PUT", body, headers: { "x-amz-acl": "public-read-write" } });
}

/** The listing of S3 over plain HTTP, for a server that asks for no signature; two objects a page. */
function unsigned(): S3Listing {
  return {
    async listObjectsV2({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }) {
      const query = new URLSearchParams({ "list-type": "2", "max-keys": "2" });
      if (prefix !== undefined) query.set("prefix", prefix);
      if (token !== undefined) query.set("continuation-token", token);
      const xml = await (await request(`${bucket}?${query.toString()}`, {})).text();
      const textOf = (name: string, of: string): string | undefined =>
        new RegExp(`<${name}>(.*?)</${name}>`, "s").exec(of)?.[1]?.replaceAll("&quot;", '"');
      return {
        Contents: [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, one = ""]) => ({
          Key: textOf("Key", one),
          ETag: textOf("ETag", one),
          Size: Number(textOf("Size", one)),
          LastModified: new Date(textOf("LastModified", one) ?? 0),
        })),
        IsTruncated: textOf("IsTruncated", xml) === "true",
        NextContinuationToken: textOf("NextContinuationToken", xml),
      };
    },
  };
}

test("objects below a prefix are loaded once each, over all pages, by their ETag", async () => {
  const sensor = defineSensor("shop/bucket", {
    description: "x",
    assets: [orders],
    ...newFiles({ objects: s3(unsigned, { bucket: "shop", prefix: "inbox/" }), pattern: "*.csv" }),
  });
  let cursor: Parameters<typeof testSensor<NonNullable<typeof sensor.options.cursor>>>[1];
  const tick = async (): Promise<string[]> => {
    const { runs, cursor: next, log } = await testSensor(sensor, cursor);
    cursor = { cursor: next };
    const news = log.flatMap(({ message }) => (message.startsWith("New: ") ? message.slice(5).split(", ") : []));
    expect(runs).toHaveLength(news.length > 0 ? 1 : 0);
    return news;
  };

  await put("inbox/", "");
  await put("elsewhere/z.csv", "0");
  for (const name of ["a", "b", "c", "d", "e"]) await put(`inbox/${name}.csv`, name);
  await put("inbox/notes.txt", "x");
  await put("inbox/empty.csv", "");
  expect(await tick()).toEqual(["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"]);
  expect(await tick()).toEqual([]);

  await put("inbox/a.csv", "a");
  await put("inbox/copy_of_b.csv", "b");
  expect(await tick(), "written again as it was, and under another name").toEqual([]);
  await put("inbox/a.csv", "another a");
  await put("inbox/empty.csv", "full");
  expect(await tick()).toEqual(["a.csv", "empty.csv"]);
  await request("shop/inbox/c.csv", { method: "DELETE" });
  expect(await tick()).toEqual([]);
});

test("a bucket that is not there fails the tick", async () => {
  const sensor = defineSensor("shop/no_bucket", {
    description: "x",
    assets: [orders],
    ...newFiles({ objects: s3(unsigned, { bucket: "nowhere" }) }),
  });
  await expect(testSensor(sensor)).rejects.toThrow(/answered 404/);
});
