const ARGUMENTS = /^(Replicated\w*MergeTree)\(('(?:[^'\\]|\\.)*'), *'(?:[^'\\]|\\.)*'(?:, *(.*))?\)$/s;

/** Whether a table of this engine has its rows on all nodes of a cluster. */
export function isOnAllReplicas(engine: string): boolean {
  return /^(Replicated|Shared)\w*MergeTree\b/.test(engine);
}

/**
 * Whether the path of a replicated engine is one table's own: a table that is made like it would be another replica of it.
 *
 * @param engine Name and arguments, such as `ReplicatedMergeTree('/tables/{uuid}/{shard}', '{replica}')`.
 */
export function hasFixedPath(engine: string): boolean {
  const [, , path] = ARGUMENTS.exec(engine) ?? [];
  return path !== undefined && !path.includes("{uuid}");
}

/** The same engine without such a path: the server gives each table one by its UUID, which an exchange does not change. */
export function withoutFixedPath(engine: string): string {
  if (!hasFixedPath(engine)) return engine;
  const [, name = engine, , rest] = ARGUMENTS.exec(engine) ?? [];
  return rest === undefined ? name : `${name}(${rest})`;
}
