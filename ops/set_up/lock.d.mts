export function withSetUpLock<T>(root: string, work: () => Promise<T>): Promise<T>;
