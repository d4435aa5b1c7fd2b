import type { Measured } from "./measure.ts";
import { median } from "./median.ts";

/** One way to do what a bench measures. */
export interface Contender {
  readonly name: string;
  /** Runs it once; what it prepares itself does not count to `seconds`. */
  readonly run: () => Promise<Measured>;
}

/** The medians of a contender's rounds. */
export interface Summary {
  readonly name: string;
  /** Seconds of each round. */
  readonly seconds: readonly number[];
  readonly medianS: number;
  readonly minS: number;
  readonly maxS: number;
  /** Median of the processor times. */
  readonly cpuS: number | undefined;
  /** Median of the peaks of the rounds. */
  readonly peakMb: number | undefined;
  /** Medians of the extra figures. */
  readonly extra: Readonly<Record<string, number>>;
}

/**
 * Runs all contenders in turn, round after round, so that what slows the machine down for a while slows all of them.
 *
 * @param options.warmUp Rounds that do not count: caches and compiled files are there for everybody afterwards.
 */
export async function contest(
  contenders: readonly Contender[],
  { rounds, warmUp, say }: { readonly rounds: number; readonly warmUp: number; readonly say: (line: string) => void },
): Promise<Summary[]> {
  const samples = contenders.map((): Measured[] => []);
  for (let round = 1 - warmUp; round <= rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const measured = await contender.run();
      say(
        `${round < 1 ? "warm-up" : `round ${round} of ${rounds}`}  ${contender.name}  ${measured.seconds.toFixed(3)} s`,
      );
      if (round >= 1) samples[index]?.push(measured);
    }
  }
  return contenders.map(({ name }, index) => summarize(name, samples[index] ?? []));
}

/**
 * Looks contenders up by name.
 *
 * @throws Error when there is none of that name
 */
export function getSummary(summaries: readonly Summary[]): (name: string) => Summary {
  return (name) => {
    const found = summaries.find((summary) => summary.name === name);
    if (found === undefined) throw new Error(`no contender ${name}`);
    return found;
  };
}

/**
 * How many times as long one contender took as another: the median over the rounds, in each of which both ran one after
 * the other. Steadier than the ratio of their medians where the machine has other work.
 */
export function pairedRatio({ seconds }: Summary, to: Summary): number {
  return median(seconds.map((value, round) => value / (to.seconds[round] ?? Number.NaN)));
}

/** Medians and extremes of some runs. */
export function summarize(name: string, samples: readonly Measured[]): Summary {
  const seconds = samples.map((sample) => sample.seconds);
  const peaks = samples.flatMap(({ peakMb }) => (peakMb === undefined ? [] : [peakMb]));
  const cpu = samples.flatMap(({ cpuS }) => (cpuS === undefined ? [] : [cpuS]));
  const names = new Set(samples.flatMap(({ extra }) => Object.keys(extra ?? {})));
  return {
    name,
    seconds,
    medianS: median(seconds),
    minS: Math.min(...seconds),
    maxS: Math.max(...seconds),
    cpuS: cpu.length === 0 ? undefined : median(cpu),
    peakMb: peaks.length === 0 ? undefined : median(peaks),
    extra: Object.fromEntries(
      [...names].map((key) => [key, median(samples.flatMap(({ extra }) => extra?.[key] ?? []))]),
    ),
  };
}
