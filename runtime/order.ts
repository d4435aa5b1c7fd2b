/** A way around: each node leads to the next, and the last to the first. */
export type Cycle<T> = readonly T[];

/** A graph in order, and what keeps it from being in order. */
export interface Order<T> {
  /** Every node once, the members of cycles too; outside of cycles each after those that it needs. */
  readonly sorted: readonly T[];
  /** One way around for each knot of nodes that need each other. */
  readonly cycles: readonly Cycle<T>[];
  /** Every node of every knot, also those that the shown cycles leave out. */
  readonly knotted: ReadonlySet<T>;
}

/** A node on the way down, and those of its needs that are still to be seen. */
interface Frame<T> {
  readonly node: T;
  readonly needs: Iterator<T, undefined>;
}

/**
 * Sorts a graph so that every node comes after those that it needs, and finds the cycles: Tarjan's strongly connected
 * components.
 *
 * @param needs What a node needs; nodes outside of `nodes` are left out.
 */
export function sortByNeeds<T>(nodes: Iterable<T>, needs: (node: T) => Iterable<T>): Order<T> {
  const known = new Set(nodes);
  const edges = new Map([...known].map((node) => [node, [...new Set(needs(node))].filter((need) => known.has(need))]));
  const index = new Map<T, number>();
  const lowest = new Map<T, number>();
  const stack: T[] = [];
  const onStack = new Set<T>();
  const sorted: T[] = [];
  const cycles: Cycle<T>[] = [];
  const knotted = new Set<T>();
  const low = (node: T): number => lowest.get(node) ?? 0;

  const enter = (node: T): Frame<T> => {
    index.set(node, index.size);
    lowest.set(node, index.size - 1);
    stack.push(node);
    onStack.add(node);
    return { node, needs: (edges.get(node) ?? []).values() };
  };
  const leave = (node: T): void => {
    if (low(node) !== index.get(node)) return;
    const knot = stack.splice(stack.lastIndexOf(node));
    for (const member of knot) onStack.delete(member);
    sorted.push(...knot);
    if (knot.length === 1 && !edges.get(node)?.includes(node)) return;
    for (const member of knot) knotted.add(member);
    cycles.push(shortestCycle(node, edges));
  };
  // With a stack of its own: a long chain of nodes would be too deep for the engine's.
  const visit = (start: T): void => {
    const frames = [enter(start)];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const { node, needs } = frame;
      const { value: need, done } = needs.next();
      if (done === true) {
        frames.pop();
        leave(node);
        const above = frames.at(-1)?.node;
        if (above !== undefined) lowest.set(above, Math.min(low(above), low(node)));
      } else if (!index.has(need)) frames.push(enter(need));
      else if (onStack.has(need)) lowest.set(node, Math.min(low(node), index.get(need) ?? 0));
    }
  };
  for (const node of known) if (!index.has(node)) visit(node);
  return { sorted, cycles, knotted };
}

/** The shortest way from a node of a knot back to itself, breadth first. */
function shortestCycle<T>(start: T, edges: ReadonlyMap<T, readonly T[]>): T[] {
  const cameFrom = new Map<T, T>();
  const queue = [start];
  for (const node of queue) {
    for (const need of edges.get(node) ?? []) {
      if (need === start) {
        const cycle = [node];
        for (let back = node; back !== start;) {
          back = cameFrom.get(back) as T;
          cycle.unshift(back);
        }
        return cycle;
      }
      if (cameFrom.has(need)) continue;
      cameFrom.set(need, node);
      queue.push(need);
    }
  }
  return [start];
}
