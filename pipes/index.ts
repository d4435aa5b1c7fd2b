/** The Dagster Pipes protocol, without dependencies: for any Node process that Dagster launches. */
export { escapeAssetKey, parseAssetKey, type AssetKeyInput } from "./asset_key.ts";
export { openBlobChannel, type BlobChannelOptions } from "./blob_channel.ts";
export {
  encodeParams,
  isPipesProcess,
  pipesFromArguments,
  pipesFromEnvironment,
  pipesFromMapping,
  pipesFromProcess,
  type PipesBootstrap,
} from "./bootstrap.ts";
export type {
  AsyncMessageChannel,
  PipesContextLoader,
  PipesMessageChannel,
  PipesMessageWriter,
  SyncMessageChannel,
} from "./channel.ts";
export { PipesContext, type CheckReport, type MaterializationReport } from "./context.ts";
export type { PipesContextData, PipesDataProvenance, PipesRange } from "./context_data.ts";
export { defaultContextLoader, defaultMessageWriter } from "./defaults.ts";
export {
  PipesAlreadyOpenError,
  PipesArgumentError,
  PipesBootstrapError,
  PipesClosedError,
  PipesDeliveryError,
  PipesDuplicateMaterializationError,
  PipesError,
  PipesMessageTooLargeError,
  PipesNotOpenError,
  PipesSignalError,
  PipesUndefinedError,
  PipesUnfinishedError,
} from "./errors.ts";
export type { PipesLogger } from "./logger.ts";
export { TRUNCATION_KEY } from "./message_size.ts";
export { metadata, type ColumnDep } from "./metadata.ts";
export type {
  Jsonable,
  JsonObject,
  JsonValue,
  MetadataEntry,
  MetadataInput,
  MetadataMap,
  MetadataType,
  TableColumn,
  TableColumnConstraints,
  TableColumnDep,
  TableRecord,
} from "./metadata_entry.ts";
export {
  objectStoreContextLoader,
  objectStoreMessageWriter,
  type ObjectStore,
  type ObjectStoreWriterOptions,
} from "./object_store.ts";
export {
  getPipesContext,
  openPipes,
  openPipesAsync,
  runWithPipes,
  tryGetPipesContext,
  type OpenPipesOptions,
} from "./open.ts";
export type { PipesCheckSeverity, PipesException, PipesLogLevel, PipesParams, PipesStream } from "./protocol.ts";
export { s3ContextLoader, s3MessageWriter, type S3Like } from "./s3.ts";
export type { Redact } from "./redaction.ts";
