import type { S3Like } from "../../../../pipes/index.ts";

/** The two calls of S3 over plain HTTP, for a test server that asks for no signature. */
export function unsignedS3(endpoint: string): S3Like {
  const send = async (path: string, init?: RequestInit): Promise<Response> => {
    const response = await fetch(`${endpoint}/${path}`, init);
    if (!response.ok) throw new Error(`${init?.method ?? "GET"} ${path} answered ${response.status}`);
    return response;
  };
  return {
    async getObject({ Bucket: bucket, Key: key }) {
      const text = await (await send(`${bucket}/${key}`)).text();
      return { Body: { transformToString: () => Promise.resolve(text) } };
    },
    async putObject({ Bucket: bucket, Key: key, Body: body }) {
      await send(`${bucket}/${key}`, { method: "PUT", body });
    },
  };
}

/** The client for the server that the test started, if it did. */
export function testS3(): S3Like {
  const endpoint = process.env["TEST_S3_ENDPOINT"];
  if (endpoint === undefined) throw new Error("TEST_S3_ENDPOINT is not set");
  return unsignedS3(endpoint);
}
