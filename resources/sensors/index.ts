/** What sensors watch for, ready to be spread into `defineSensor`. Importing this opens nothing. */
export { changedRows, type ChangedRowsCursor, type ChangedRowsOptions, type RowsChange } from "./changed_rows.ts";
export { MissingFolderError, NoValidatorError, SensorOptionError } from "./errors.ts";
export { httpChanged, type HttpChange, type HttpChangedCursor, type HttpChangedOptions } from "./http_changed.ts";
export { lateData, type LateDataCursor, type LateDataOptions } from "./late_data.ts";
export { type FoundFile } from "./listing.ts";
export { materialized, type MaterializedOptions } from "./materialized.ts";
export { newFiles, type NewFilesCursor, type NewFilesOptions } from "./new_files.ts";
export { type Objects, s3, type S3Listing } from "./objects.ts";
export { type PartitionsOf } from "./partitions_of.ts";
