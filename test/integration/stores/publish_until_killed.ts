// Publishes a job and says on standard output how far it is, for who kills it meanwhile: name of the store, job as JSON.
import { type Job, publishJob } from "./publish_job.ts";

const [name = "", text = ""] = process.argv.slice(2);
const job = JSON.parse(text, reviveDates) as Job;
await publishJob(name, job, {}, (progress) => process.stdout.write(`${progress}\n`));

/** The bounds of a window. */
function reviveDates(key: string, value: unknown): unknown {
  return key === "start" || key === "end" ? new Date(String(value)) : value;
}
