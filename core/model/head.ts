import type { Config } from '../config/config.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import { gridSide } from './backbone.ts';
import { featurePyramid, featurePyramidSpecs } from './feature-pyramid.ts';
import type { TrainingPart } from './layers.ts';
import { linearHead, linearSpecs } from './linear-head.ts';
import type { TensorSpec } from './tensor-spec.ts';
import { auxiliaryHead, auxiliarySpecs, upernetHead, upernetSpecs } from './upernet-head.ts';
import type { TensorLoader } from './weights.ts';

type Model = Config['model'];

/** What a model's heads read from its checkpoints, the feature pyramid that feeds them included. */
export function headSpecs({ backbone, head, auxiliaryHead: auxiliary }: Model): TensorSpec[] {
  const main =
    head.type === 'linear'
      ? linearSpecs(head)
      : [...featurePyramidSpecs(backbone), ...upernetSpecs(head, backbone.embedDim)];
  return auxiliary ? [...main, ...auxiliarySpecs(auxiliary, backbone.embedDim)] : main;
}

/** Name here of a head's tensor in a checkpoint; null for one that belongs to no head. */
export function headName(key: string): string | null {
  return /^(decode_head|auxiliary_head)\./.test(key) ? key : null;
}

/** The model that an evaluation runs, needs weights for, and fetches: an auxiliary head is for training only. */
export function evaluatedModel({ auxiliaryHead: _, ...model }: Model): Model {
  return model;
}

/** Whether a tensor is trained by its gradient, and not a running statistic. */
export function isParameter({ name }: { name: string }): boolean {
  return !/\.running_(mean|var)$/.test(name);
}

/** What an optimizer changes: everything that the heads read but BatchNorm's running statistics. */
export function parameterSpecs(model: Model): TensorSpec[] {
  return headSpecs(model).filter(isParameter);
}

export function runningSpecs(model: Model): TensorSpec[] {
  return headSpecs(model).filter((spec) => !isParameter(spec));
}

/** Side of a crop's logits: the patch grid's, or four times that for UperNet's finest level. */
export function logitsSide({ backbone, head }: Model): number {
  const side = gridSide(backbone);
  return head.type === 'linear' ? side : 4 * side;
}

/**
 * Puts a model's heads on its taps.
 *
 * @param taps each `[B, C, grid, grid]` float32
 * @param training absent in a test
 * @returns `logits` `[B, classes, logitsSide, logitsSide]` float32, named `head_logits`; `auxiliary`, the auxiliary
 *   head's `[B, classes, side of its level, …]`, named `aux_logits`, where there is one
 */
export function buildHead(
  graph: GraphBuilder,
  weights: TensorLoader,
  model: Model,
  batch: number,
  taps: Value[],
  training?: TrainingPart,
): { logits: Value; auxiliary?: Value } {
  const { head, auxiliaryHead: auxiliary } = model;
  const ctx = { graph, weights, batchNormEps: head.batchNormEps, ...(training ? { training } : {}) };
  if (head.type === 'linear')
    return { logits: linearHead(ctx, graph.node('Identity', [taps[0]!], {}, 'feat0')) };
  const levels = featurePyramid(graph, weights, taps);
  return {
    ...(auxiliary ? { auxiliary: auxiliaryHead(ctx, levels[auxiliary.level]!) } : {}),
    logits: upernetHead(ctx, head, batch, levels, levelSides(model)),
  };
}

/** Sides of the feature pyramid's levels, from fine to coarse. */
export function levelSides({ backbone }: Pick<Model, 'backbone'>): number[] {
  const grid = gridSide(backbone);
  return [4 * grid, 2 * grid, grid, Math.floor(grid / 2)];
}
