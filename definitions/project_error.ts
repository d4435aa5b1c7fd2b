/** What every error of this project has beside its message. A child per cause; tests match class and `code`. */
export abstract class ProjectError extends Error {
  /** Stable name of the cause, such as `"warehouse_locked"`. */
  abstract readonly code: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  abstract readonly retryable: boolean;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
