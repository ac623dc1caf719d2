import { elementCount, ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { StateSpec } from '../config/train.ts';
import type { ChainConfig } from '../model/chain/chain-plan.ts';
import { headSpecs, isParameter } from '../model/head.ts';
import { modelSpecs } from '../model/model-specs.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { ROPE_PERIODS } from '../model/vit-tensors.ts';
import { MASTER, MOMENTS } from './match-state.ts';
import { isTrained, trainsBackbone } from './trainable.ts';

/**
 * The tensors of a training's checkpoint: its heads, or the whole model where something of the backbone trains. The
 * backbone's are written in the type that graphs read them in, as an evaluation does: bfloat16 on a GPU.
 */
export function stateSpecs(config: ChainConfig): StateSpec[] {
  const { model, run } = config;
  const heads = headSpecs(model);
  const inHeads = new Set(heads.map(({ name }) => name));
  const isRounded = (name: string) =>
    run.precision === 'bfloat16' && !inHeads.has(name) && name !== ROPE_PERIODS;
  return (trainsBackbone(config) ? modelSpecs(model) : heads).map(({ name, shape }) => ({
    name,
    shape,
    isTrained: isParameter({ name }) && isTrained(config, name),
    dtype: isRounded(name) ? 'bfloat16' : 'float32',
  }));
}

/** The tensors of the file beside it: moments, and the masters of what the model's file holds rounded. */
export function optimizerSpecs(config: ChainConfig): TensorSpec[] {
  return stateSpecs(config).flatMap(({ name, shape, isTrained, dtype }) => {
    if (!isTrained) return [];
    const parts: string[] = Object.values(MOMENTS);
    if (dtype !== 'float32') parts.push(MASTER);
    return parts.map((part) => ({ name: `${name}.${part}`, shape }));
  });
}

/** Bytes of a checkpoint's files, but for their metadata. */
export function checkpointBytes(specs: StateSpec[]): number {
  return specs.reduce((sum, { shape, isTrained, dtype }) => {
    // Moments, and the master of what is rounded.
    const beside = isTrained ? (dtype === 'float32' ? 2 : 3) : 0;
    return sum + elementCount(shape) * (ITEM_BYTES[dtype] + beside * ITEM_BYTES.float32);
  }, 0);
}
