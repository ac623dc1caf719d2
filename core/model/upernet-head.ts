import type { AuxiliaryHeadConfig, UperNetHeadConfig } from '../config/config.ts';
import type { Value } from '../onnx/graph.ts';
import { classify, convModule, convModuleSpecs, type HeadContext, resizeTo } from './layers.ts';
import type { TensorSpec } from './tensor-spec.ts';

const LATERALS = [0, 1, 2];

export function upernetSpecs(
  { channels: c, classes, poolScales }: UperNetHeadConfig,
  embedDim: number,
): TensorSpec[] {
  const at = 'decode_head';
  return [
    ...poolScales.flatMap((_, i) => convModuleSpecs(`${at}.psp_modules.${i}.1`, embedDim, c, 1)),
    ...convModuleSpecs(`${at}.bottleneck`, embedDim + poolScales.length * c, c, 3),
    ...LATERALS.flatMap((i) => convModuleSpecs(`${at}.lateral_convs.${i}`, embedDim, c, 1)),
    ...LATERALS.flatMap((i) => convModuleSpecs(`${at}.fpn_convs.${i}`, c, c, 3)),
    ...convModuleSpecs(`${at}.fpn_bottleneck`, 4 * c, c, 3),
    { name: `${at}.conv_seg.weight`, shape: [classes, c, 1, 1] },
    { name: `${at}.conv_seg.bias`, shape: [classes] },
  ];
}

/**
 * UperNet: a pyramid pooling of the coarsest level, then top-down to the finest.
 *
 * @param levels four features `[B, C, h, w]` float32 from fine to coarse, of `sides`
 * @returns logits `[B, classes, h, w]` float32 at the finest level
 * @see mmseg 0.30 `UPerHead`, `PPM`
 */
export function upernetHead(
  ctx: HeadContext,
  head: UperNetHeadConfig,
  batch: number,
  levels: Value[],
  sides: number[],
): Value {
  const { graph } = ctx;
  const at = 'decode_head';
  const shape = (level: number) => [batch, head.channels, sides[level]!, sides[level]!];

  const coarsest = levels[3]!;
  const pooled = head.poolScales.map((scale, i) => {
    const bins = adaptivePool(ctx, coarsest, sides[3]!, scale);
    return resizeTo(
      graph,
      convModule(ctx, bins, `${at}.psp_modules.${i}.1`, 1, `head_ppm${scale}`),
      shape(3),
    );
  });
  const context = graph.node('Concat', [coarsest, ...pooled], { axis: 1 });
  const laterals = LATERALS.map((i) =>
    convModule(ctx, levels[i]!, `${at}.lateral_convs.${i}`, 1, `head_lateral${i}`),
  );
  laterals.push(convModule(ctx, context, `${at}.bottleneck`, 3, 'head_psp'));

  for (let level = 3; level > 0; level--)
    laterals[level - 1] = graph.node('Add', [
      laterals[level - 1]!,
      resizeTo(graph, laterals[level]!, shape(level - 1)),
    ]);
  const outputs = LATERALS.map((i) =>
    convModule(ctx, laterals[i]!, `${at}.fpn_convs.${i}`, 3, `head_fpn${i}`),
  );
  outputs.push(laterals[3]!);
  const fine = outputs.map((output, level) => (level === 0 ? output : resizeTo(graph, output, shape(0))));
  const joined = graph.node('Concat', fine, { axis: 1 });
  return classify(
    ctx,
    convModule(ctx, joined, `${at}.fpn_bottleneck`, 3, 'head_fpn_bottleneck'),
    at,
    'head_logits',
  );
}

/**
 * Adaptive average pooling to `bins` × `bins`. Bins may overlap where the side is no multiple of them; a mean over
 * a rectangle is the mean over its rows of means over its columns, so it is one small matrix on each side.
 *
 * @see torch `AdaptiveAvgPool2d`
 */
function adaptivePool({ graph }: HeadContext, x: Value, side: number, bins: number): Value {
  const rows = new Float32Array(bins * side);
  const columns = new Float32Array(side * bins);
  for (let bin = 0; bin < bins; bin++) {
    const start = Math.floor((bin * side) / bins);
    const end = Math.ceil(((bin + 1) * side) / bins);
    for (let i = start; i < end; i++) {
      rows[bin * side + i] = 1 / (end - start);
      columns[i * bins + bin] = 1 / (end - start);
    }
  }
  const left = graph.constant(`pool${bins}_rows`, 'float32', [bins, side], rows);
  const right = graph.constant(`pool${bins}_columns`, 'float32', [side, bins], columns);
  return graph.node('MatMul', [left, graph.node('MatMul', [x, right])]);
}

export function auxiliarySpecs({ channels, classes }: AuxiliaryHeadConfig, embedDim: number): TensorSpec[] {
  const at = 'auxiliary_head';
  return [
    ...convModuleSpecs(`${at}.convs.0`, embedDim, channels, 3),
    { name: `${at}.conv_seg.weight`, shape: [classes, channels, 1, 1] },
    { name: `${at}.conv_seg.bias`, shape: [classes] },
  ];
}

/** The auxiliary head: for training only. @see mmseg 0.30 `FCNHead` with num_convs=1 */
export function auxiliaryHead(ctx: HeadContext, feature: Value): Value {
  return classify(ctx, convModule(ctx, feature, 'auxiliary_head.convs.0', 3), 'auxiliary_head', 'aux_logits');
}
