import type { PipesStream } from "./protocol.ts";

type Write = NodeJS.WriteStream["write"];

/**
 * Shows everything that this process prints to a standard stream to `see`, without changing what
 * is printed. Child processes and native code that write to the descriptor itself are not seen.
 *
 * @returns a function that ends it.
 */
export function tapStream(stream: PipesStream, see: (text: string) => void): () => void {
  const target = process[stream];
  // eslint-disable-next-line @typescript-eslint/unbound-method -- put back as it was, and always applied to its stream
  const inner = target.write;
  const decoder = new TextDecoder();
  let isOn = true;
  const tapped = function (...args: Parameters<Write>): boolean {
    if (isOn) see(chunkText(args[0], args[1], decoder));
    return inner.apply(target, args);
  } as Write;
  target.write = tapped;
  return () => {
    isOn = false;
    // Something else may have wrapped the stream meanwhile; then ours stays in the chain, switched off.
    if (target.write === tapped) target.write = inner;
  };
}

function chunkText(chunk: unknown, encoding: unknown, decoder: InstanceType<typeof TextDecoder>): string {
  if (typeof chunk === "string") {
    const isBinary = typeof encoding === "string" && !/^utf-?8$/i.test(encoding) && Buffer.isEncoding(encoding);
    return isBinary ? decoder.decode(Buffer.from(chunk, encoding), { stream: true }) : chunk;
  }
  return chunk instanceof Uint8Array ? decoder.decode(chunk, { stream: true }) : "";
}
