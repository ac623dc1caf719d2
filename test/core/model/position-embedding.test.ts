import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { roundToBfloat16 } from '../../../core/model/bfloat16.ts';
import { resizePositionEmbedding } from '../../../core/model/position-embedding.ts';
import { npyNumbers, readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';

const FOLDER = join(goldenFolder(), 'model/pos_embed');
const CHANNELS = 32;
const exact = (value: number) => value;
const to = (side: number, round: (value: number) => number) => ({
  side: 16,
  grid: { rows: side, columns: side },
  channels: CHANNELS,
  antialias: false,
  sideOffset: 0,
  round,
});

const stored = () => readNpy(join(FOLDER, 'pos_embed_16x16.npy')).data as Float32Array;
const golden = (name: string) => npyNumbers(readNpy(join(FOLDER, `pos_embed_${name}.npy`)));

describe('the resized grid is that of the original', () => {
  test.each([4, 5, 7, 8, 12, 32, 36])('%i×%i in float32', (newSide) => {
    const ours = resizePositionEmbedding(stored(), to(newSide, exact));
    expect(largestDifference(ours, golden(`${newSide}x${newSide}_fp32`))).toBeLessThan(1e-6);
  });

  test.each([8, 36])('%i×%i in bfloat16, to one step of it', (newSide) => {
    const grid = to(newSide, roundToBfloat16);
    const ours = resizePositionEmbedding(stored().map(roundToBfloat16), grid);
    expect(ours.every((value) => roundToBfloat16(value) === value)).toBe(true);
    expect(largestDifference(ours, golden(`${newSide}x${newSide}_bf16`))).toBeLessThanOrEqual(0.008);
  });
});

test('the class token is kept as it is', () => {
  const grid = to(5, exact);
  const ours = resizePositionEmbedding(stored(), grid);
  expect(ours.subarray(0, CHANNELS)).toEqual(stored().subarray(0, CHANNELS));
});

test('a grid of the same side is not touched', () => {
  const embedding = stored();
  const grid = to(16, () => Number.NaN);
  expect(resizePositionEmbedding(embedding, grid)).toBe(embedding);
});

function largestDifference(actual: Float32Array, expected: Float64Array): number {
  expect(actual.length).toBe(expected.length);
  return actual.reduce((largest, value, i) => Math.max(largest, Math.abs(value - expected[i]!)), 0);
}
