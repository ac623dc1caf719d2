import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/**
 * Draws resamples of `items` things with replacement: each as how often every thing was drawn, `[items]`.
 * The same seed gives the same resamples. The array is the same one each time: it is to be read before the next.
 */
export function* resamples(items: number, count: number, seed: number): Generator<Uint32Array> {
  const generator = xoroshiro128plus(seed);
  const times = new Uint32Array(items);
  for (let resample = 0; resample < count; resample++) {
    times.fill(0);
    for (let i = 0; i < items; i++) times[uniformInt(generator, 0, items - 1)]! += 1;
    yield times;
  }
}

/**
 * The interval that holds the middle `confidence` of values, as `numpy.quantile` interpolates.
 *
 * @param values at least one, in any order
 */
export function percentileInterval(values: Float64Array, confidence: number): [number, number] {
  const sorted = values.toSorted();
  const at = (share: number): number => {
    const position = share * (sorted.length - 1);
    const below = Math.floor(position);
    const low = sorted[below]!;
    return low + (position - below) * ((sorted[below + 1] ?? low) - low);
  };
  return [at((1 - confidence) / 2), at((1 + confidence) / 2)];
}

/** Sample standard deviation, of at least two values. */
export function deviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
