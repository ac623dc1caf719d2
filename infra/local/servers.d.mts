/**
 * Gives the path of a server's program: from PATH, from the user's cache, or built with Go into the cache.
 *
 * @throws SetupError if it is not there and can't be built
 */
export function ensureServer(
  name: 'temporal' | 'versitygw' | 'kube' | 'kwok',
  options?: { signal?: AbortSignal },
): Promise<string>;

/** Where programs keep what can be made again. */
export function cacheFolder(): string;
