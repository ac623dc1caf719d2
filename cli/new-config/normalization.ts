import { z } from 'zod';

const perChannel = z.tuple([z.number(), z.number(), z.number()]);
/** Of images as fractions of 255. */
const PreprocessorSchema = z.object({ image_mean: perChannel, image_std: perChannel });

/** Mean and standard deviation of pixels, 0 to 255, by a preprocessor_config.json; null if it has none. */
export function normalizationOf(preprocessor: unknown): { mean: number[]; std: number[] } | null {
  const { data } = PreprocessorSchema.safeParse(preprocessor);
  if (!data) return null;
  // 0.485 × 255 is 123.675, and not what float64 makes of it.
  const pixels = (values: number[]) => values.map((value) => Number((value * 255).toPrecision(10)));
  return { mean: pixels(data.image_mean), std: pixels(data.image_std) };
}
