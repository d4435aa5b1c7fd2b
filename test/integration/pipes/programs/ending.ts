/** Ends in the middle of its work, in the way that the test names (`argv[2]`, JSON). */
import {
  openPipes,
  runWithPipes,
  s3ContextLoader,
  s3MessageWriter,
  type OpenPipesOptions,
  type PipesContext,
} from "../../../../pipes/index.ts";
import { testS3 } from "./unsigned_s3.ts";

interface Ending {
  readonly way: keyof typeof ways;
  readonly overS3?: boolean;
}

const forever = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2 ** 30));

const ways = {
  throw: () => {
    throw new RangeError("the original error", { cause: new TypeError("its cause", { cause: "the root" }) });
  },
  throwNothing: () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- users do
    throw undefined;
  },
  rejectWithoutHandler: async () => {
    void Promise.reject(new RangeError("the original error"));
    await forever();
  },
  throwInTimer: async () => {
    setTimeout(() => {
      throw new RangeError("the original error");
    }, 1);
    await forever();
  },
  exitZero: () => process.exit(0),
  exitThree: () => process.exit(3),
  exitInTimer: async () => {
    setTimeout(() => process.exit(0), 1);
    await forever();
  },
  neverSettle: () => new Promise<void>(() => undefined),
  // The signal comes from outside, once this line is there.
  waitForSignal: async (pipes: PipesContext) => {
    pipes.reportCustomMessage("ready");
    process.stdout.write("ready\n");
    await forever();
  },
  // A program with a handler of its own cleans up and closes by itself.
  ownHandler: async (pipes: PipesContext) => {
    const stopped = new Promise<never>((_resolve, reject) => {
      process.once("SIGTERM", () => {
        reject(new Error("cleaned up after the signal"));
      });
    });
    process.stdout.write("ready\n");
    await Promise.race([stopped, forever()]).finally(() => {
      pipes.log.info("cleaning up");
      process.exitCode = 1;
    });
  },
  suppressed: () => {
    using guard = {
      [Symbol.dispose]() {
        throw new Error("the disposal failed too");
      },
    };
    throw new RangeError(`the original error${typeof guard === "object" ? "" : "?"}`);
  },
};

const ending = JSON.parse(process.argv[2] ?? "") as Ending | { readonly way: "forgetToClose" };

if (ending.way === "forgetToClose") {
  openPipes().log.info("never closed");
} else {
  const way = ways[ending.way];
  const options: OpenPipesOptions =
    "overS3" in ending ? { contextLoader: s3ContextLoader(testS3()), messageWriter: s3MessageWriter(testS3()) } : {};
  await runWithPipes(async (pipes) => {
    await way(pipes);
  }, options);
}
