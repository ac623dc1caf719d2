import type { Rate } from './calibration.ts';
import type { Bound, Estimate } from './report.ts';

/** What an evaluation consists of. */
export interface Work {
  workers: number;
  /** Crops of each shard, in the order in which they are given out. */
  shards: number[];
  /** Of each worker. */
  weightBytes: number;
  imageBytes: number;
  megapixels: number;
}

export type Forecast = Pick<Estimate, 'seconds' | 'parts' | 'boundBy' | 'why'>;

/**
 * How long an evaluation takes, by a calibration. Images are fetched and decoded beside the inference: what takes longest
 * of these counts.
 */
export function forecast(work: Work, { entry, cropsPerSecond }: Rate): Forecast {
  const { workers, shards, weightBytes, imageBytes, megapixels } = work;
  const crops = shards.reduce((sum, shard) => sum + shard, 0);
  const bytesPerSecond = entry.fetchMbPerSecond * 1e6;
  const parts = {
    launch: entry.readySeconds,
    weights: weightBytes / bytesPerSecond,
    images: imageBytes / bytesPerSecond / workers,
    decode: megapixels / entry.decodeMegapixelsPerSecond / workers,
    compute: busiest(shards, workers) / cropsPerSecond,
  };
  const beside = Math.max(parts.images, parts.decode, parts.compute);
  const seconds = parts.launch + parts.weights + beside;
  const shares: [Bound, number][] = [
    ['compute', parts.compute],
    // Images that come faster than they are computed cost nothing.
    ['fetch', parts.weights + (parts.images === beside ? parts.images : 0)],
    ['decode', parts.decode],
    ['launch', parts.launch],
  ];
  const [boundBy, most] = shares.toSorted((a, b) => b[1] - a[1])[0]!;
  const of = `${span(most)} of ${span(seconds)}`;
  const why = {
    compute: `Compute bounds it: ${crops} crops at ${figures(cropsPerSecond)} a second and worker take ${of} on ${workers} workers.`,
    fetch: `Fetching bounds it: at ${entry.fetchMbPerSecond} MB/s a worker, weights and images take ${of}; fewer workers fetch the weights less often.`,
    decode: `Decoding bounds it: ${megapixels.toFixed(0)} megapixels at ${entry.decodeMegapixelsPerSecond} a second and worker take ${of}.`,
    launch: `Launching bounds it: until workers are ready ${of} pass; more workers would not make it faster.`,
  }[boundBy as 'compute' | 'fetch' | 'decode' | 'launch'];
  return { seconds, parts, boundBy, why };
}

/** Crops of the worker that has most of them, if each takes the next shard as it gets free. */
function busiest(shards: number[], workers: number): number {
  const loads = new Array<number>(workers).fill(0);
  for (const shard of shards) loads[loads.indexOf(Math.min(...loads))]! += shard;
  return Math.max(...loads);
}

/** Three figures, without an exponent. */
export function figures(value: number): string {
  return value < 1_000 ? value.toPrecision(3) : value.toFixed(0);
}

/** `45 s`, `13 min`, `2.4 h` */
export function span(seconds: number): string {
  if (seconds < 99.5) return `${seconds < 9.95 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  return seconds < 5_970 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
