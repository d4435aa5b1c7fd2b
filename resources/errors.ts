import { ProjectError } from "../definitions/project_error.ts";

/** The rows are not what the contract says. */
export class ContractError extends ProjectError {
  readonly code = "contract_broken";
  readonly retryable = false;
}
