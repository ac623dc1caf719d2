export function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options?: { signal?: AbortSignal; onWait?: (pid: number | undefined) => void },
): Promise<T>;
/** Takes the lock, or gives undefined where a living process holds it. The function lets it go. */
export function tryLock(path: string): Promise<(() => Promise<void>) | undefined>;
export function isAlive(pid: number): boolean;
