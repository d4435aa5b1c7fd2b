import { ProjectError } from "../../definitions/project_error.ts";

/**
 * - `cannot_install`: a package cannot be had; the message says which, and what to do
 * - `data_folder_not_writable`: also when the user that the engine runs as cannot reach it
 * - `data_folder_in_use`: another engine runs on the same folder
 * - `port_taken`: the port that was asked for belongs to another program
 * - `engine_failed`: it ended or did not answer; the message holds the end of its log
 */
export type EngineFaultCode =
  "cannot_install" | "data_folder_not_writable" | "data_folder_in_use" | "port_taken" | "engine_failed";

/** Why a local engine did not start. */
export class EngineFault extends ProjectError {
  readonly code: EngineFaultCode;
  readonly retryable = false;

  constructor(code: EngineFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
