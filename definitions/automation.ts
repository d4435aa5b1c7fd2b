/** When Dagster materialises the asset by itself. */
export type Automation =
  | { readonly kind: "eager" }
  | { readonly kind: "cron"; readonly cron: string; readonly timezone: string }
  | { readonly kind: "missing" };

/** When the data of an upstream asset changed; a run that left the data as it was does not count. */
export function eager(): Automation {
  return { kind: "eager" };
}

/**
 * On a cron schedule, once the upstream assets are up to date.
 *
 * @param options.timezone An IANA name. @default "UTC"
 */
export function onCron(cron: string, options: { readonly timezone?: string } = {}): Automation {
  return { kind: "cron", cron, timezone: options.timezone ?? "UTC" };
}

/**
 * When it was never materialised and its upstream assets were. It is asked for once: a run that fails is for people. Of
 * time partitions only the latest one counts; a backfill computes the others.
 */
export function onMissing(): Automation {
  return { kind: "missing" };
}
