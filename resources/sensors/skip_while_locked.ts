import { ProjectError } from "../../definitions/project_error.ts";

/** A tick that finds the file of the warehouse being written by a run is skipped: it will be free again. */
export function skipWhileLocked<C, R>(look: (context: C) => Promise<R>): (context: C) => Promise<R | { skip: string }> {
  return async (context) => {
    try {
      return await look(context);
    } catch (error) {
      if (error instanceof ProjectError && error.code === "warehouse_locked") return { skip: error.message };
      throw error;
    }
  };
}
