import type { TrainConfig } from '../config/train.ts';
import { drawsAt } from './draws.ts';

/** Attention, feed-forward. */
const BRANCHES = 2;

/**
 * How likely a block's branch is dropped for a crop: from 0 in the first block to `dropPathRate` in the last.
 *
 * @param depth blocks of the whole backbone, also of those behind the last tap
 * @see InternVL `intern_vit_6b.py`: `torch.linspace(0, drop_path_rate, depth)`
 */
export function dropPathRateOf(dropPathRate: number, depth: number, block: number): number {
  return depth > 1 ? (dropPathRate * block) / (depth - 1) : 0;
}

/**
 * What each branch of each block is multiplied by, crop by crop, before it is added to its input: 0 where it is dropped,
 * else 1 / (1 − rate). Each number is a function of seed, step, block, branch and slot, whoever computes the crop.
 *
 * @param step from 0
 * @returns `[depth, 2, batch]`: block, branch (0 attention, 1 feed-forward), slot of the step's batch
 * @see timm 0.6 `drop_path`
 */
export function dropPathMultipliers(
  { seed, batch, dropPathRate }: Pick<TrainConfig, 'seed' | 'batch' | 'dropPathRate'>,
  depth: number,
  step: number,
): Float32Array<ArrayBuffer> {
  const multipliers = new Float32Array(depth * BRANCHES * batch).fill(1);
  for (let block = 0; block < depth; block++) {
    const rate = dropPathRateOf(dropPathRate, depth, block);
    if (rate === 0) continue;
    for (let branch = 0; branch < BRANCHES; branch++)
      for (let slot = 0; slot < batch; slot++) {
        const isDropped = drawsAt(seed, 'drop path', step, block, branch, slot).uniform() < rate;
        multipliers[dropPathIndex({ block, branch, slot }, batch)] = isDropped ? 0 : 1 / (1 - rate);
      }
  }
  return multipliers;
}

/** Place of a multiplier; those of neighbouring slots lie side by side. */
export function dropPathIndex(
  { block, branch, slot }: { block: number; branch: number; slot: number },
  batch: number,
): number {
  return (block * BRANCHES + branch) * batch + slot;
}
