import { z } from 'zod';
import type { Value } from '../../onnx/graph.ts';
import { classify, convModule, convModuleSpecs, type HeadContext } from '../layers.ts';
import type { TensorSpec } from '../tensor-spec.ts';

const AT = 'auxiliary_head';

/** For training only: the original's FCNHead with one 3×3 convolution, on one level of the pyramid. */
export const auxiliarySchema = z.strictObject({
  channels: z.int().positive(),
  level: z.int().min(0).max(3),
  classes: z.int().positive(),
});

export function auxiliarySpecs(
  { channels, classes }: z.infer<typeof auxiliarySchema>,
  embedDim: number,
): TensorSpec[] {
  return [
    ...convModuleSpecs(`${AT}.convs.0`, embedDim, channels, 3),
    { name: `${AT}.conv_seg.weight`, shape: [classes, channels, 1, 1] },
    { name: `${AT}.conv_seg.bias`, shape: [classes] },
  ];
}

/** @see mmseg 0.30 `FCNHead` with num_convs=1 */
export function auxiliaryGraph(ctx: HeadContext, feature: Value): Value {
  return classify(ctx, convModule(ctx, feature, `${AT}.convs.0`, 3), AT, 'aux_logits');
}
