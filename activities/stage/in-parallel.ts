import pLimit from 'p-limit';

/**
 * `Promise.all` over a bounded number at once. The first failure stops the rest, and is thrown once nothing is under
 * way any more: what they share can be closed then.
 */
export async function inParallel<T, R>(
  items: T[],
  { atOnce, signal }: { atOnce: number; signal: AbortSignal },
  work: (item: T, stop: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const limit = pLimit(atOnce);
  const running = items.map((item) =>
    limit(async () => {
      stop.throwIfAborted();
      try {
        return await work(item, stop);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  await Promise.allSettled(running);
  stop.throwIfAborted();
  return Promise.all(running);
}
