import { ProjectError } from "../../../definitions/project_error.ts";

/** What people have made or edited in Superset stands in the way of a sync, which leaves it alone. */
export class DatasetConflictError extends ProjectError {
  readonly code = "superset_conflict";
  readonly retryable = false;
}
