export function say(text: string): void;
export function step(
  root: string,
  title: string,
  command: string,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<void>;
