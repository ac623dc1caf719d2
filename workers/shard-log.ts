import type { FetchOptions } from '../activities/deliver/object-cache.ts';
import type { GpuActivities } from '../activities/gpu.ts';
import type { ShardTask } from '../core/config/eval.ts';
import type { SegmentTask, ServeTask } from '../core/config/train-run.ts';

type Log = (line: string) => void;

type Shards = Pick<GpuActivities, 'evaluateShard'>;
type Training = Pick<GpuActivities, 'trainSegment' | 'serveFeatures'>;

/** Activities that tell of each shard: begun, done, or failed why. For who reads a pod's log. */
export function logShards<A extends Shards>(activities: A, log: Log = console.log): A & Shards {
  return {
    ...activities,
    evaluateShard: (task: ShardTask) => {
      const { shard, count } = task.range;
      return told(log, `shard ${shard}`, `${count} images, batch ${task.batch}`, {
        work: () => activities.evaluateShard(task),
        done: ({ warnings = [] }) => [`${count} images`, ...warnings].join('; '),
      });
    },
  };
}

/** As `logShards`, of a training's parts. */
export function logTraining<A extends Training>(activities: A, log: Log = console.log): A & Training {
  return {
    ...activities,
    trainSegment: (task: SegmentTask) =>
      told(log, `training to step ${task.until}`, `attempt ${task.attempt}`, {
        work: () => activities.trainSegment(task),
        done: ({ steps }) => `${steps} steps`,
      }),
    serveFeatures: (task: ServeTask) =>
      told(log, `features for ${task.trainer.worker}`, `at ${task.trainer.address}`, {
        work: () => activities.serveFeatures(task),
        done: (end) => end,
      }),
  };
}

async function told<T>(
  log: Log,
  what: string,
  details: string,
  { work, done }: { work(): Promise<T>; done(result: T): string },
): Promise<T> {
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  log(`${what} begun: ${details}`);
  try {
    const result = await work();
    log(`${what} done: ${done(result)} in ${seconds()}`);
    return result;
  } catch (error) {
    log(`${what} failed after ${seconds()}: ${error instanceof Error ? error.message : error}`);
    throw error;
  }
}

/** Fetches an object and logs the transfer: bytes, seconds and speed, or that it was there. */
export async function logFetch<Fetched>(
  uri: string,
  fetch: (onProgress: NonNullable<FetchOptions['onProgress']>) => Promise<Fetched>,
  { log = console.log, onFetched }: { log?: Log; onFetched?: ((bytes: number) => void) | undefined } = {},
): Promise<Fetched> {
  const began = performance.now();
  let before: number | null = null;
  let bytes = 0;
  const fetched = await fetch((done) => {
    before ??= done;
    bytes = done - before;
  });
  const seconds = (performance.now() - began) / 1000;
  onFetched?.(bytes);
  log(
    bytes === 0
      ? `weights ${uri}: in the cache (${seconds.toFixed(1)} s)`
      : `weights ${uri}: ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s (${(bytes / 1e6 / seconds).toFixed(0)} MB/s)`,
  );
  return fetched;
}
