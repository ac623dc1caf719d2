import type { TrainableConfig } from '../../core/config/train-run.ts';
import { sumOf, trainingMemory } from '../../core/train/training-memory.ts';

/** A config with as many blocks, whose head sees the last. */
export function withBlocks(config: TrainableConfig, depth: number): TrainableConfig {
  const backbone = { ...config.model.backbone, depth, taps: [depth - 1] };
  return { ...config, model: { ...config.model, backbone } };
}

/** Most blocks whose training takes so many bytes, by core/train/training-memory.ts; one at least. */
export function blocksIn(config: TrainableConfig, bytes: number): number {
  let blocks = config.model.backbone.depth;
  while (blocks > 1 && expectedBytes(withBlocks(config, blocks)) > bytes) blocks--;
  return blocks;
}

/** Of a training on a CPU, where device and host are one. */
export function expectedBytes(config: TrainableConfig): number {
  return sumOf(trainingMemory(config, 'device').device);
}

/**
 * What was timed or measured with a few blocks, with all of them. Seconds are as many times as there are blocks, so that
 * what does not grow with them, such as the head, counts too often; bytes grow by what is expected of a block.
 */
export function extrapolate(
  few: { seconds: number; bytes: number },
  blocks: number,
  whole: TrainableConfig,
): { seconds: number; bytes: number } {
  const more = expectedBytes(whole) - expectedBytes(withBlocks(whole, blocks));
  return { seconds: (few.seconds * whole.model.backbone.depth) / blocks, bytes: few.bytes + more };
}
