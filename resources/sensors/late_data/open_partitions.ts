import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { TableRef } from "../../../definitions/sql.ts";
import type { LastPublish, TickContext } from "../../../definitions/tick.ts";
import { type Period, periodsIn, placeOfPeriod, shifted } from "../../../definitions/time_periods.ts";
import type { Followed } from "./followed.ts";
import { later } from "./instant.ts";

/** A stretch of time in which something changed, in milliseconds since 1970. */
export interface Changed {
  readonly start: number;
  readonly end: number;
  /** When the newest of its rows arrived. */
  readonly latest: string;
  /** Another one when its rows are others. */
  readonly mark: string;
}

/** Partitions whose rows changed, the neighbours of one fate together. Milliseconds since 1970; instants as ISO text. */
export const openSchema = z.array(
  z.strictObject({
    asset: z.string(),
    start: z.int(),
    end: z.int(),
    /** The change was there then: a run that began later has it. */
    since: z.string(),
    /** The latest publish that there was when runs were asked for; `null`: none were. */
    asked: z.string().nullable(),
    /** When they were asked for last, in milliseconds since 1970, and how often. */
    askedAt: z.int().default(0),
    tries: z.int().default(0),
    /** Whether a run that has the change has published. */
    settled: z.boolean(),
  }),
);
type Stored = z.output<typeof openSchema>;

interface Open {
  readonly period: Period;
  readonly since: string;
  readonly asked: string | null;
  readonly askedAt: number;
  readonly tries: number;
  readonly settled: boolean;
  /** The same when a tick is repeated. */
  readonly mark: string;
}

/** A run to ask for. */
export interface LateRun {
  readonly asset: TableRef;
  /** `null`: the asset has no partitions. */
  readonly keys: readonly string[] | null;
  readonly runKey: string;
  /** Whether some of it was asked for before, and no run has published it. */
  readonly isAgain: boolean;
}

/** Between two requests for what no run publishes. */
const MAX_WAIT_MS = 12 * 3_600_000;

/** The publish of a partition that was never built, where it is to be. */
const NEVER: LastPublish = { runId: "", startedAt: "", publishedAt: "" };
/** An asset without partitions, as one. */
const WHOLE: Period = { key: "", start: 0, end: 0 };

/**
 * The partitions whose rows changed, from then on until a run that began later has published them, and none that began
 * before can do so any more.
 */
export class OpenPartitions {
  readonly #followed: readonly Followed[];
  readonly #now: number;
  readonly #lastPublishes: TickContext["lastPublishes"];
  /** Of what was never built. */
  readonly #never: LastPublish | undefined;
  readonly #open: ReadonlyMap<string, Map<number, Open>>;
  /** Stretches of rows that are of no partition, and never will be. */
  readonly outside: Changed[] = [];

  /** @param unbuilt Whether partitions that were never built are built, or left alone. */
  constructor(
    followed: readonly Followed[],
    stored: Stored,
    unbuilt: "build" | "leave",
    { now, lastPublishes }: Pick<TickContext, "now" | "lastPublishes">,
  ) {
    this.#never = unbuilt === "build" ? NEVER : undefined;
    this.#followed = followed;
    this.#now = now.getTime();
    this.#lastPublishes = lastPublishes;
    this.#open = new Map(followed.map(({ key }) => [key, new Map<number, Open>()]));
    for (const { asset, start, end, ...rest } of stored) {
      const one = followed.find(({ key }) => key === asset);
      // It is none of the sensor's any more.
      if (one === undefined) continue;
      for (const period of this.#periods(one, start, end))
        this.#of(one).set(period.start, { period, ...rest, mark: rest.since });
    }
  }

  /** Takes note of what changed. */
  add(followed: Followed, changes: readonly Changed[], since: string): void {
    for (const [period, mark] of this.#changed(followed, changes)) this.#put(followed, period, since, mark.text);
  }

  /** Takes note of the partitions that were built before their newest rows came, where no tick has looked before. */
  async addBuiltBefore(followed: Followed, changes: readonly Changed[], since: string, lagMs: number): Promise<void> {
    const changed = this.#changed(followed, changes);
    const publishes = await this.#publishesOf(followed, [...changed.keys()]);
    for (const [period, { latest, text }] of changed) {
      // A run that has not published yet has begun so early at most.
      const last = publishes.get(period.key) ?? this.#never;
      const built = last?.startedAt ?? later(since, -followed.longestRunMs);
      if (built <= later(latest, lagMs)) this.#put(followed, period, since, text);
    }
  }

  /**
   * Holds the partitions against the ledger.
   *
   * @returns the runs to ask for
   */
  async settle(seenAt: string): Promise<LateRun[]> {
    const runs: LateRun[] = [];
    const pending = new Map<string, Period[]>();
    for (const followed of this.#followed) {
      const own = this.#of(followed);
      const publishes = await this.#publishesOf(
        followed,
        [...own.values()].map(({ period }) => period),
      );
      const unsettled: Period[] = [];
      const asking: { readonly one: Open; readonly last: LastPublish }[] = [];
      for (const [start, one] of own) {
        const last = publishes.get(one.period.key) ?? this.#never;
        const isSettled = last !== undefined && last.startedAt > one.since;
        // What was never built, and is not to be, needs no repair; but a run that began before may still build it.
        if ((last === undefined || isSettled) && seenAt > later(one.since, followed.longestRunMs)) own.delete(start);
        else own.set(start, { ...one, settled: isSettled });
        if (isSettled && !one.settled) this.#pass(followed, one.period, seenAt, last);
        if (last === undefined || isSettled) continue;
        unsettled.push(one.period);
        const isAsked = one.asked !== null && last.publishedAt <= one.asked;
        if (isAsked && this.#now < one.askedAt + waitMs(one, followed)) continue;
        const tries = isAsked ? one.tries + 1 : 1;
        if (!this.#waits(followed, one.period, pending)) asking.push({ one: { ...one, tries }, last });
      }
      pending.set(followed.key, unsettled);
      if (asking.length === 0) continue;
      const asked = asking.reduce((newest, { last }) => (last.publishedAt > newest ? last.publishedAt : newest), "");
      const askedAt = this.#now;
      for (const { one } of asking) own.set(one.period.start, { ...one, asked, askedAt, settled: false });
      runs.push({
        asset: followed.asset,
        keys: followed.partitions === null ? null : asking.map(({ one }) => one.period.key).sort(),
        runKey: digest([
          followed.key,
          ...asking.map(({ one, last }) => [one.period.key, one.mark, one.tries, last.runId, last.publishedAt]),
        ]),
        isAgain: asking.some(({ one }) => one.tries > 1),
      });
    }
    return runs;
  }

  /** How many partitions lack rows and wait for a run. */
  get waiting(): number {
    return [...this.#open.values()].reduce(
      (count, own) => count + [...own.values()].filter(({ asked, settled }) => asked !== null && !settled).length,
      0,
    );
  }

  /** For the cursor. */
  stored(): Stored {
    return this.#followed.flatMap((followed) => {
      const stored: Stored = [];
      const own = [...this.#of(followed).values()].sort((a, b) => a.period.start - b.period.start);
      for (const { period, since, asked, askedAt, tries, settled } of own) {
        const last = stored.at(-1);
        const fate = { since, asked, askedAt, tries, settled };
        const isAlike = last !== undefined && isDeepStrictEqual(fateOf(last), fate);
        if (isAlike && last.end === period.start) last.end = period.end;
        else stored.push({ asset: followed.key, start: period.start, end: period.end, ...fate });
      }
      return stored;
    });
  }

  /** Hands a change on to what reads the partition, now that it is published. */
  #pass(from: Followed, period: Period, since: string, { runId, publishedAt }: LastPublish): void {
    for (const followed of this.#followed)
      for (const window of windowsRead(followed, from, period))
        this.add(followed, [{ ...window, latest: since, mark: digest([runId, publishedAt]) }], since);
  }

  /** Whether something that it reads lacks rows itself: it is computed once that has them. */
  #waits(followed: Followed, period: Period, pending: ReadonlyMap<string, readonly Period[]>): boolean {
    return this.#followed.some((from) =>
      (pending.get(from.key) ?? []).some((one) =>
        windowsRead(followed, from, one).some(
          ({ start, end }) => period === WHOLE || (start < period.end && end > period.start),
        ),
      ),
    );
  }

  #put(followed: Followed, period: Period, since: string, mark: string): void {
    const fate = { asked: null, askedAt: 0, tries: 0, settled: false };
    this.#of(followed).set(period.start, { period, since, ...fate, mark });
  }

  /** The partitions that there are of what changed, with the newest arrival and a mark of all that changed in each. */
  #changed(
    followed: Followed,
    changes: readonly Changed[],
  ): Map<Period, { readonly latest: string; readonly text: string }> {
    const byStart = new Map<number, { period: Period; latest: string; text: string }>();
    for (const change of changes) {
      for (const period of this.#periods(followed, change.start, change.end)) {
        const place = followed.partitions === null ? "exists" : placeOfPeriod(followed.partitions, period, this.#now);
        if (place === "outside") this.outside.push(change);
        // What is not over yet will be built with all that came until then.
        if (place !== "exists") continue;
        const old = byStart.get(period.start);
        const latest = old !== undefined && old.latest > change.latest ? old.latest : change.latest;
        byStart.set(period.start, {
          period: old?.period ?? period,
          latest,
          text: digest([old?.text ?? "", change.start, change.mark]),
        });
      }
    }
    return new Map([...byStart.values()].map(({ period, ...rest }) => [period, rest]));
  }

  #periods({ partitions }: Followed, start: number, end: number): Iterable<Period> {
    return partitions === null ? [WHOLE] : periodsIn(partitions, start, end);
  }

  #of({ key }: Followed): Map<number, Open> {
    const own = this.#open.get(key);
    if (own === undefined) throw new TypeError(`${key} is not followed`);
    return own;
  }

  async #publishesOf(
    { asset, partitions }: Followed,
    periods: readonly Period[],
  ): Promise<ReadonlyMap<string, LastPublish>> {
    if (periods.length === 0) return new Map();
    return await this.#lastPublishes(asset, partitions === null ? null : periods.map(({ key }) => key));
  }
}

/** The time of an asset's partitions that read a partition of another; empty: none do. */
function windowsRead(followed: Followed, from: Followed, period: Period): { start: number; end: number }[] {
  return followed.reads
    .filter(({ key }) => key === from.key)
    .map(({ start, end }) => ({
      start: from.partitions === null ? -Infinity : shifted(from.partitions, period, -end).start,
      end: from.partitions === null ? Infinity : shifted(from.partitions, period, -start).end,
    }));
}

/** How long a run that was asked for is waited for: until it must have ended, and then ever longer. */
function waitMs({ tries }: Open, { longestRunMs }: Followed): number {
  return Math.max(longestRunMs, Math.min(longestRunMs * 2 ** (tries - 1), MAX_WAIT_MS));
}

function fateOf({ since, asked, askedAt, tries, settled }: Stored[number]): Omit<Open, "period" | "mark"> {
  return { since, asked, askedAt, tries, settled };
}

function digest(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 24);
}
