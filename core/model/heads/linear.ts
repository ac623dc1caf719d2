import { z } from 'zod';
import { batchNorm, batchNormSpecs, classify } from '../layers.ts';
import type { HeadType } from './head-type.ts';

const AT = 'decode_head';
/** Times a tap, of a step: itself, normalised, its gradient, and another one on the way. */
const TAPS_OF_STEP = 4;

const schema = z.strictObject({
  /** BatchNorm (running statistics), then a 1×1 convolution, on the taps joined: the original's FCNHead with num_convs 0. */
  type: z.literal('linear'),
  /** `embedDim`, times the taps. */
  channels: z.int().positive(),
  classes: z.int().positive(),
  batchNormEps: z.number().positive().default(1e-5),
});

/**
 * The linear probe: BatchNorm, then a 1×1 convolution.
 *
 * @see InternVL `segmentation/mmseg_custom/models/decode_heads/fcn_head.py` with num_convs=0; dinov2
 *   `dinov2/eval/segmentation/models/decode_heads/linear_head.py`; dinov3 `dinov3/eval/segmentation/models/heads`
 */
export const linear: HeadType<typeof schema> = {
  schema,
  renames: [
    [/^decode_head\.bn\./, `${AT}.norm.`],
    [/^segmentation_model\.1\.batchnorm_layer\./, `${AT}.norm.`],
    [/^segmentation_model\.1\.conv\./, `${AT}.conv_seg.`],
  ],
  taps: null,
  isAsWideAsTaps: true,
  trainingProblems: () => [],
  neck: null,
  specs: ({ channels, classes }) => [
    ...batchNormSpecs(`${AT}.norm`, channels),
    { name: `${AT}.conv_seg.weight`, shape: [classes, channels, 1, 1] },
    { name: `${AT}.conv_seg.bias`, shape: [classes] },
  ],
  levels: null,
  logitsSide: (grid) => grid,
  graph: (ctx, _head, _shape, taps) => {
    const { graph } = ctx;
    const feature =
      taps.length === 1
        ? graph.node('Identity', [taps[0]!], {}, 'feat0')
        : graph.node('Concat', taps, { axis: 1 }, 'feat0');
    return classify(ctx, batchNorm(ctx, feature, `${AT}.norm`, 'head_bn'), AT, 'head_logits');
  },
  applications: (_head, _name, grid) => grid ** 2,
  numbersAlive: (_head, { embedDim, taps, grid }, phase) =>
    embedDim * taps * grid ** 2 * (phase === 'training' ? TAPS_OF_STEP : 1),
};
