import { elementCount, ITEM_BYTES } from '../checkpoint/dtypes.ts';
import type { Config } from '../config/config.ts';
import type { VitModel } from '../config/model-kinds.ts';
import { backboneSpecs, tokensPerImage, vitOf } from './backbone.ts';
import { evaluatedModel, headSpecs, headType, parameterSpecs, tapShape } from './head.ts';
import type { TensorSpec } from './tensor-spec.ts';

/*
 * What a config takes of a GPU, in bytes: weights, which are counted, and values, for which a few of the largest stand.
 * The factors are such that the sum is never below what ONNX Runtime's arena was counted to take on the fake CUDA (but for
 * the tenth by which two counts may differ), and at most a quarter above it: see docs/operations.md, and test/cuda.
 */

/** CUDA's context, the libraries' handles and workspaces, and the graph that stitches images: assumed, not counted. */
export const BESIDE = 2e9;
/** The arena takes what it lacks in blocks that double, and what a session opens with fills none of them. */
export const ARENA = 1.8e9;
/** Of the largest values that are alive at once, by what blocks that double and gaps between values add. */
export const SPREAD = 1.8;

/** Of a convolution's weight, image by image: what was summed, an image's part, and the next sum. */
const SUMS = 3;

/** Times a block's width, of a rotary embedding's float32 values. */
const ROTATED = 3.5;

type Model = VitModel;
type Run = Pick<Config['run'], 'batch' | 'precision'>;

/** An evaluation's worker, in batches of `run.batch`. */
export function evaluationMemory({ model, run }: { model: Model; run: Run }): number {
  const evaluated = evaluatedModel(model);
  const weights = backboneBytes(evaluated, run) + 4 * elements(headSpecs(evaluated));
  const crop = Math.max(cropOfBlock(evaluated, run), cropOfHead(evaluated, 'evaluation'));
  return BESIDE + ARENA + weights + run.batch * crop;
}

/** A worker that sends features to a training, in groups of `run.batch`. */
export function featuresMemory({ model, run }: { model: Model; run: Run }): number {
  return BESIDE + ARENA + backboneBytes(model, run) + run.batch * cropOfBlock(model, run);
}

/** The most crops, up to `batch`, that fit `bytes`; 0 if not even one does. */
export function largestBatch(batch: number, bytes: number, memory: (batch: number) => number): number {
  let fits = batch;
  while (fits > 0 && memory(fits) > bytes) fits--;
  return fits;
}

/** `46.1 GB` */
export function memoryText(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function backboneBytes(model: Model, { precision }: Run): number {
  return ITEM_BYTES[precision] * elements(backboneSpecs(model));
}

/** Numbers of tensors. */
export function elements(specs: TensorSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Numbers of the largest of tensors. */
export function largestElements(specs: TensorSpec[]): number {
  return specs.reduce((most, { shape }) => Math.max(most, elementCount(shape)), 0);
}

/**
 * The larger of a block's two halves. Feed-forward: the block's input, its norm and its sum, beside the hidden layers: two
 * around a Gelu, four around SwiGLU's products. Attention: input, norm, query, key and value, and what rotates them.
 */
export function cropOfBlock({ backbone }: Model, { precision }: Run): number {
  const { embedDim, ffn, position } = vitOf(backbone);
  const layers = { gelu: 2, swiglu: 4 }[ffn.type];
  const feedForward = ITEM_BYTES[precision] * (3 * embedDim + layers * ffn.hidden);
  const rotated = position.type === 'rotary' ? ROTATED * ITEM_BYTES.float32 * embedDim : 0;
  const attention = ITEM_BYTES[precision] * 5 * embedDim + rotated;
  return SPREAD * tokensPerImage(backbone) * Math.max(feedForward, attention);
}

/**
 * What a step of the heads holds of its crops, of the sums in which the largest gradient of a weight comes about, and of
 * gradients: those of half the parameters at once, if the head is two stages.
 */
export function headStepBytes(model: Model, batch: number): number {
  const specs = parameterSpecs(model);
  const sums = ITEM_BYTES.float32 * (SUMS * largestElements(specs) + elements(specs) / 2);
  return batch * cropOfHead(model, 'training') + sums;
}

/** Of all that a head holds at once for a crop, float32. */
export function cropOfHead(model: Model, phase: 'evaluation' | 'training'): number {
  return 4 * headType(model.head).numbersAlive(model.head, tapShape(model), phase);
}
