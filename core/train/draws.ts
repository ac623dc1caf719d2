import { sha256 } from '@noble/hashes/sha2.js';
import { randomNormal } from 'd3-random';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Random numbers, one after the other. */
export interface Draws {
  /** In [0, 1), 53 bits. */
  uniform(): number;
  /** low ≤ x < high, as `numpy.random.randint`. */
  integer(low: number, high: number): number;
  /** Of mean 0 and standard deviation 1. */
  normal(): number;
}

/**
 * The random numbers of one place in a training. A pure function: whoever asks, and in whatever order, draws the same.
 * The generator is xoroshiro128+, its state the first half of SHA-256 of the place, so that neighbouring places
 * have nothing in common. Normals are by Marsaglia's polar method.
 *
 * @param position what the numbers are for, such as `[step, slot]`; words keep one purpose apart from another
 */
export function drawsAt(seed: number, ...position: (number | string)[]): Draws {
  const digest = sha256(new TextEncoder().encode([seed, ...position].join('/')));
  const view = new DataView(digest.buffer, digest.byteOffset);
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((offset) => view.getInt32(offset)));
  const uniform = () => uniformFloat64(generator);
  return {
    uniform,
    integer: (low, high) => uniformInt(generator, low, high - 1),
    normal: randomNormal.source(uniform)(),
  };
}
