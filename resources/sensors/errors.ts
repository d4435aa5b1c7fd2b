import { ProjectError } from "../../definitions/project_error.ts";

/** The folder that a sensor looks into is not there: not mounted, or misspelt. */
export class MissingFolderError extends ProjectError {
  readonly code = "missing_folder";
  readonly retryable = true;
}

/** A function of the sensor's own said something that cannot be. */
export class SensorOptionError extends ProjectError {
  readonly code = "bad_sensor_option";
  readonly retryable = false;
}

/** The server does not say by what a change is known. */
export class NoValidatorError extends ProjectError {
  readonly code = "no_validator";
  readonly retryable = false;
}
