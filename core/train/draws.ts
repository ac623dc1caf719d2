import { sha256 } from '@noble/hashes/sha2.js';
import { randomNormal } from 'd3-random';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A sequence of random numbers. */
export interface Draws {
  /** In [0, 1), 53 bits. */
  uniform(): number;
  /** low ≤ x < high, as `numpy.random.randint`. */
  integer(low: number, high: number): number;
  /** Normal, mean 0, standard deviation 1. */
  normal(): number;
}

/**
 * The random numbers of one position in a training: a pure function of the seed and the position, so that every worker
 * draws the same numbers in any order. The generator is xoroshiro128+; its state is the first half of SHA-256 of the
 * position, so that neighbouring positions are independent. Normal numbers use Marsaglia's polar method.
 *
 * @param position for example `[step, slot]`; words separate different purposes
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
