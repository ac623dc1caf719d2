import { z } from 'zod';
import type { Value } from '../../onnx/graph.ts';
import {
  classify,
  convModule,
  convModuleSpecs,
  type HeadContext,
  joinedConvModule,
  resizeTo,
} from '../layers.ts';
import type { TensorSpec } from '../tensor-spec.ts';
import { featurePyramid } from './feature-pyramid.ts';
import type { HeadType, TapShape } from './head-type.ts';

const LATERALS = [0, 1, 2];
/**
 * Times all levels at the finest's size: in a test; and in a step, where 3.5 are what gradients need, and half a one is cuDNN's
 * copy of one level and its output in a layout of its own.
 */
const MAPS = { evaluation: 4, training: 4 };

const schema = z.strictObject({
  /** The original's UPerHead on four taps, raised to four sizes by the backbone's own feature pyramid. */
  type: z.literal('upernet'),
  channels: z.int().positive(),
  /** Sides of the pooled maps of the pyramid pooling module. */
  poolScales: z.array(z.int().positive()).min(1),
  classes: z.int().positive(),
  batchNormEps: z.number().positive().default(1e-5),
});
type UperNetConfig = z.infer<typeof schema>;

/** UperNet on a feature pyramid. @see mmseg 0.30 `UPerHead` */
export const upernet: HeadType<typeof schema> = {
  schema,
  renames: [],
  taps: 4,
  isAsWideAsTaps: false,
  trainingProblems: ({ poolScales }, { batch }) =>
    poolScales.includes(1) && batch < 2
      ? [
          'train.batch is 1, but UperNet pools to one pixel (model.head.poolScales has 1), whose BatchNorm needs 2 crops or more',
        ]
      : [],
  neck: featurePyramid,
  specs: upernetSpecs,
  levels: (ctx, head, { batch, grid }, maps) =>
    laterals(ctx, maps, sizes(head, batch, grid), head.poolScales),
  logitsSide: (grid) => 4 * grid,
  graph: (ctx, head, { batch, grid }, levels) => joined(ctx, levels, sizes(head, batch, grid)),
  applications: ({ poolScales }, name, grid) => {
    const sides = featurePyramid.sides(grid);
    const [, part, index] = /^decode_head\.(\w+?)(?:\.(\d))?\./.exec(name)!;
    if (part === 'psp_modules') return poolScales[Number(index)]! ** 2;
    if (part === 'bottleneck') return sides[3]! ** 2;
    return sides[Number(index ?? 0)]! ** 2;
  },
  numbersAlive: ({ channels }, { grid }, phase) => {
    const sides = featurePyramid.sides(grid);
    return MAPS[phase] * sides.length * channels * sides[0]! ** 2;
  },
};

function upernetSpecs(
  { channels: c, classes, poolScales }: UperNetConfig,
  { embedDim }: TapShape,
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

/** `[B, channels, h, w]` of each level, from fine to coarse. */
function sizes({ channels }: UperNetConfig, batch: number, grid: number): number[][] {
  return featurePyramid.sides(grid).map((side) => [batch, channels, side, side]);
}

/**
 * A pyramid pooling of the coarsest level, then top-down to the finest.
 *
 * @param maps four features `[B, C, h, w]` float32 from fine to coarse
 * @param sizes of the levels
 * @returns four levels `[B, channels, h, w]` float32
 * @see mmseg 0.30 `UPerHead`, `PPM`
 */
function laterals(ctx: HeadContext, maps: Value[], sizes: number[][], poolScales: number[]): Value[] {
  const { graph } = ctx;
  const at = 'decode_head';
  const coarsest = maps[3]!;
  const side = sizes[3]!.at(-1)!;
  const pooled = poolScales.map((scale, i) => {
    const bins = adaptivePool(ctx, coarsest, side, scale);
    return resizeTo(
      graph,
      convModule(ctx, bins, `${at}.psp_modules.${i}.1`, 1, `head_ppm${scale}`),
      sizes[3]!,
    );
  });
  const context = graph.node('Concat', [coarsest, ...pooled], { axis: 1 });
  const levels = LATERALS.map((i) =>
    convModule(ctx, maps[i]!, `${at}.lateral_convs.${i}`, 1, `head_lateral${i}`),
  );
  levels.push(convModule(ctx, context, `${at}.bottleneck`, 3, 'head_psp'));
  for (let level = 3; level > 0; level--)
    levels[level - 1] = graph.node('Add', [
      levels[level - 1]!,
      resizeTo(graph, levels[level]!, sizes[level - 1]!),
    ]);
  return levels;
}

/**
 * Joins the levels at the size of the finest.
 *
 * @param levels of `laterals`
 * @returns logits `[B, classes, h, w]` float32 at the finest level
 * @see mmseg 0.30 `UPerHead`
 */
function joined(ctx: HeadContext, levels: Value[], sizes: number[][]): Value {
  const { graph } = ctx;
  const at = 'decode_head';
  const outputs = LATERALS.map((i) => convModule(ctx, levels[i]!, `${at}.fpn_convs.${i}`, 3, `head_fpn${i}`));
  outputs.push(levels[3]!);
  const fine = outputs.map((output, level) => (level === 0 ? output : resizeTo(graph, output, sizes[0]!)));
  const [, channels] = sizes[0] as [number, number];
  const joint = joinedConvModule(ctx, fine, channels, `${at}.fpn_bottleneck`, 3, 'head_fpn_bottleneck');
  return classify(ctx, joint, at, 'head_logits');
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
