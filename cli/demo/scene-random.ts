/** Chance that repeats: the same seed gives the same scene on every machine. */
export interface Random {
  /** In [0, 1). */
  next: () => number;
  between: (low: number, high: number) => number;
  /** A whole number, both ends included. */
  whole: (low: number, high: number) => number;
  chance: (probability: number) => boolean;
  pick: <T>(items: readonly [T, ...T[]]) => T;
  /** Of mean 0 and deviation 1. @see Box and Muller 1958 */
  normal: () => number;
}

/** @see Tommy Ettinger's mulberry32: one multiply-and-mix step on a 32-bit counter */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    whole: (low, high) => low + Math.floor((high - low + 1) * next()),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

const LATTICE_BITS = 8;
const LATTICE_MASK = (1 << LATTICE_BITS) - 1;
const lattice = makeLattice();

function makeLattice(): Float32Array {
  const random = createRandom(20_231);
  return Float32Array.from({ length: 1 << (2 * LATTICE_BITS) }, random.next);
}

/** Smooth noise in [0, 1] with one bump per unit of x and y. Other `seed`s give other bumps. */
export function noise(x: number, y: number, seed: number): number {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const u = ease(x - left);
  const v = ease(y - top);
  const column = (left + seed * 37) & LATTICE_MASK;
  const nextColumn = (column + 1) & LATTICE_MASK;
  const row = ((top + seed * 101) & LATTICE_MASK) << LATTICE_BITS;
  const nextRow = (row + (1 << LATTICE_BITS)) & (LATTICE_MASK << LATTICE_BITS);
  const upper = lattice[row | column]! * (1 - u) + lattice[row | nextColumn]! * u;
  const lower = lattice[nextRow | column]! * (1 - u) + lattice[nextRow | nextColumn]! * u;
  return upper * (1 - v) + lower * v;
}

/** Noise with detail: each octave is twice as fine and half as strong. In [0, 1]. */
export function layeredNoise(x: number, y: number, seed: number, octaves: number): number {
  let sum = 0;
  let total = 0;
  for (let octave = 0, scale = 1, weight = 1; octave < octaves; octave++, scale *= 2, weight /= 2) {
    sum += weight * noise(x * scale, y * scale, seed + octave);
    total += weight;
  }
  return sum / total;
}

function ease(t: number): number {
  return t * t * (3 - 2 * t);
}
