import { z } from "zod";
import type { SupersetClient } from "../client/client.ts";
import { SupersetNotFoundError, SupersetRefusedError } from "../client/errors.ts";
import { makeOnce } from "../make.ts";
import { DatasetConflictError } from "./conflict.ts";
import { type Dataset, datasetAnswer, DATASET_FIELDS } from "./model.ts";
import type { WantedDataset } from "./wanted.ts";

const listed = z.object({ id: z.number(), schema: z.string().nullish(), table_name: z.string() });
const created = z.object({ id: z.number() });

/** Reads a dataset by its id or its UUID; `undefined`: it is not there. */
export async function tryReadDataset(client: SupersetClient, id: number | string): Promise<Dataset | undefined> {
  try {
    const query = { columns: DATASET_FIELDS };
    return (await client.get(`/dataset/${id}`, datasetAnswer, { query })).result;
  } catch (error) {
    if (error instanceof SupersetNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Finds the dataset of a table, also one that people have made, or makes it.
 *
 * @throws DatasetConflictError where people have made a query of it, or another dataset of the table beside it
 */
export async function findOrCreate(
  client: SupersetClient,
  wanted: WantedDataset,
): Promise<{ readonly dataset: Dataset; readonly isNew: boolean }> {
  const known = await tryReadDataset(client, wanted.uuid);
  if (known !== undefined) requireTable(known, wanted);
  if (known !== undefined && isOfTable(known, wanted)) return { dataset: known, isNew: false };
  const found = await tryFind(client, wanted);
  if (found !== undefined && known !== undefined) throw twoOf(wanted, known, found);
  if (found !== undefined) return { dataset: found, isNew: false };
  if (known !== undefined) return { dataset: await move(client, known, wanted), isNew: false };
  return await create(client, wanted);
}

async function create(
  client: SupersetClient,
  wanted: WantedDataset,
): Promise<{ readonly dataset: Dataset; readonly isNew: boolean }> {
  const { databaseId: database, schema, table, uuid } = wanted;
  const make = async (): Promise<{ dataset: Dataset; isNew: boolean }> => {
    const { id } = await client.post("/dataset/", { database, schema, table_name: table, uuid }, created);
    return { dataset: await read(client, id), isNew: true };
  };
  const find = async (): Promise<{ dataset: Dataset; isNew: boolean } | undefined> => {
    const dataset = await tryFind(client, wanted);
    return dataset === undefined ? undefined : { dataset, isNew: false };
  };
  try {
    return await makeOnce("Dataset", make, find);
  } catch (error) {
    if (!(error instanceof SupersetRefusedError)) throw error;
    throw new SupersetRefusedError(
      error.request,
      `${error.message} Is the table ${nameOf(wanted)} there (materialise ${wanted.assetKey}), and does the database ` +
        `connection ${wanted.databaseId} of Superset lead to it with a user who may read it?`,
      error.status,
      error.said,
    );
  }
}

/** A query may show anything, and Superset allows no second dataset of the name. */
function requireTable({ id, sql }: Dataset, wanted: WantedDataset): void {
  if ((sql ?? "") === "") return;
  throw new DatasetConflictError(
    `The dataset ${id} in Superset is called ${nameOf(wanted)}, and is a query of its own (a virtual dataset): charts of ` +
      `it show something else than the table of ${wanted.assetKey}. Rename it, or make it a physical one. Nothing was written.`,
  );
}

function twoOf(wanted: WantedDataset, known: Dataset, found: Dataset): DatasetConflictError {
  return new DatasetConflictError(
    `Superset has two datasets for ${wanted.assetKey}: ${known.id}, which its charts show, over the database connection ` +
      `${known.database.id}, and ${found.id}, which somebody made of ${nameOf(wanted)} over the connection ` +
      `${wanted.databaseId} that is configured now. Delete one of them. Nothing was written.`,
  );
}

/** `schema.table`, for people. */
function nameOf({ schema, table }: WantedDataset): string {
  return schema === null ? table : `${schema}.${table}`;
}

/** Whether a dataset shows the table over the connection that it should. */
export function isOfTable(dataset: Dataset, { databaseId, schema, table }: WantedDataset): boolean {
  return (
    (dataset.sql ?? "") === "" &&
    dataset.database.id === databaseId &&
    dataset.table_name === table &&
    (dataset.schema ?? "") === (schema ?? "")
  );
}

/** The dataset was that of a table elsewhere: its database connection was made anew. */
async function move(client: SupersetClient, dataset: Dataset, wanted: WantedDataset): Promise<Dataset> {
  const { databaseId: database_id, schema, table: table_name } = wanted;
  await client.put(`/dataset/${dataset.id}`, { database_id, schema, table_name }, z.unknown());
  return await read(client, dataset.id);
}

async function tryFind(client: SupersetClient, wanted: WantedDataset): Promise<Dataset | undefined> {
  const { databaseId, schema, table } = wanted;
  const found = await client.list("dataset", listed, {
    filters: [
      { column: "database", operator: "rel_o_m", value: databaseId },
      { column: "table_name", operator: "eq", value: table },
    ],
    columns: ["schema", "table_name"],
  });
  // Here rather than in the filter: without a schema there is nothing to filter by.
  const own = found.find((one) => (one.schema ?? "") === (schema ?? ""));
  const dataset = own === undefined ? undefined : await tryReadDataset(client, own.id);
  if (dataset !== undefined) requireTable(dataset, wanted);
  return dataset;
}

async function read(client: SupersetClient, id: number): Promise<Dataset> {
  const dataset = await tryReadDataset(client, id);
  if (dataset !== undefined) return dataset;
  throw new SupersetNotFoundError(
    `GET /api/v1/dataset/${id}`,
    `The dataset ${id} was deleted in Superset while it was synced.`,
  );
}
