import type { Config } from '../config/config.ts';
import type { GraphBuilder, Value } from '../onnx/graph.ts';
import { featurePyramid, featurePyramidSpecs } from './feature-pyramid.ts';
import { linearHead, linearSpecs } from './linear-head.ts';
import { gridSide, type TensorSpec } from './tensor-spec.ts';
import { auxiliaryHead, auxiliarySpecs, upernetHead, upernetSpecs } from './upernet-head.ts';
import type { WeightLoader } from './weights.ts';

type Model = Config['model'];

/** What a model's heads read from its checkpoints, the feature pyramid that feeds them included. */
export function headSpecs({ backbone, head, auxiliaryHead: auxiliary }: Model): TensorSpec[] {
  const main =
    head.type === 'linear'
      ? linearSpecs(head)
      : [...featurePyramidSpecs(backbone), ...upernetSpecs(head, backbone.embedDim)];
  return auxiliary ? [...main, ...auxiliarySpecs(auxiliary, backbone.embedDim)] : main;
}

/** Side of a crop's logits: the patch grid's, or four times that for UperNet's finest level. */
export function logitsSide({ backbone, head }: Model): number {
  const side = gridSide(backbone.imageSizePx, backbone.patchSizePx);
  return head.type === 'linear' ? side : 4 * side;
}

/**
 * Puts a model's heads on its taps.
 *
 * @param taps each `[B, C, grid, grid]` float32
 * @returns logits `[B, classes, logitsSide, logitsSide]` float32, named `head_logits`
 */
export function buildHead(
  graph: GraphBuilder,
  weights: WeightLoader,
  model: Model,
  batch: number,
  taps: Value[],
): Value {
  const { head, backbone, auxiliaryHead: auxiliary } = model;
  const ctx = { graph, weights, batchNormEps: head.batchNormEps };
  if (head.type === 'linear') return linearHead(ctx, graph.node('Identity', [taps[0]!], {}, 'feat0'));
  const levels = featurePyramid(graph, weights, taps);
  if (auxiliary) auxiliaryHead(ctx, levels[auxiliary.level]!);
  const grid = gridSide(backbone.imageSizePx, backbone.patchSizePx);
  return upernetHead(ctx, head, batch, levels, [4 * grid, 2 * grid, grid, Math.floor(grid / 2)]);
}
