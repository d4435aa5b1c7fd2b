/** A way around: each node leads to the next, and the last to the first. */
export type Cycle<T> = readonly T[];

/**
 * Sorts a graph so that every node comes after those that it needs, and finds the cycles.
 *
 * @param needs What a node needs; nodes outside of `nodes` are left out.
 * @returns `sorted` holds every node once, the members of cycles too.
 */
export function sortByNeeds<T>(
  nodes: Iterable<T>,
  needs: (node: T) => Iterable<T>,
): { sorted: T[]; cycles: Cycle<T>[] } {
  const known = new Set(nodes);
  const sorted: T[] = [];
  const cycles: Cycle<T>[] = [];
  const done = new Set<T>();
  const path: T[] = [];
  const visit = (node: T): void => {
    if (done.has(node) || !known.has(node)) return;
    const start = path.indexOf(node);
    if (start !== -1) {
      cycles.push(path.slice(start));
      return;
    }
    path.push(node);
    for (const needed of needs(node)) visit(needed);
    path.pop();
    if (!done.has(node)) sorted.push(node);
    done.add(node);
  };
  for (const node of known) visit(node);
  return { sorted, cycles };
}
