import { z } from 'zod';

const positive = z.int().positive();
const layout = z.enum(['NCHW', 'NHWC']);

/** An ONNX model of one's own in place of backbone and head: images in, logits of classes out. */
export const OnnxModelSchema = z.strictObject({
  type: z.literal('onnx'),
  input: z.strictObject({
    /** Side of the square crops that it sees. */
    sizePx: positive,
    /** Order of dimensions: batch, channels, height and width. */
    layout: layout.default('NCHW'),
    /** Order of its channels. The pipeline's mean and std are of red, green and blue in any case, of values of 0 to 255. */
    channels: z.enum(['RGB', 'BGR']).default('RGB'),
  }),
  output: z
    .strictObject({
      /** Which of its outputs has the logits: needed if there are several. */
      name: z.string().min(1).optional(),
      layout: layout.default('NCHW'),
      /** Side of a crop's logits: needed if the model doesn't say. */
      sizePx: positive.optional(),
    })
    .prefault({}),
  classes: positive,
});
/** What a config says of such a model. */
export type OnnxModelConfig = z.infer<typeof OnnxModelSchema>;
