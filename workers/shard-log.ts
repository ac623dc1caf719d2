import type { FetchOptions } from '../activities/deliver/object-cache.ts';
import type { GpuActivities } from '../activities/gpu.ts';

type Log = (line: string) => void;

/** Activities that tell of each shard: begun, done, or failed why. For who reads a pod's log. */
export function logShards({ evaluateShard }: GpuActivities, log: Log = console.log): GpuActivities {
  return {
    async evaluateShard(task) {
      const { shard, count } = task.range;
      const began = performance.now();
      const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
      log(`shard ${shard} begun: ${count} images, batch ${task.batch}`);
      try {
        const result = await evaluateShard(task);
        log(`shard ${shard} done: ${count} images in ${seconds()}`);
        return result;
      } catch (error) {
        log(`shard ${shard} failed after ${seconds()}: ${error instanceof Error ? error.message : error}`);
        throw error;
      }
    },
  };
}

/** Fetches an object and tells how that went: bytes, seconds and speed, or that it was there. */
export async function logFetch(
  uri: string,
  fetch: (onProgress: NonNullable<FetchOptions['onProgress']>) => Promise<string>,
  log: Log = console.log,
): Promise<string> {
  const began = performance.now();
  let before: number | null = null;
  let bytes = 0;
  const file = await fetch((done) => {
    before ??= done;
    bytes = done - before;
  });
  const seconds = (performance.now() - began) / 1000;
  log(
    bytes === 0
      ? `weights ${uri}: in the cache (${seconds.toFixed(1)} s)`
      : `weights ${uri}: ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s (${(bytes / 1e6 / seconds).toFixed(0)} MB/s)`,
  );
  return file;
}
