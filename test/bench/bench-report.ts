import { z } from 'zod';
import { ConfigSchema } from '../../core/config/config.ts';
import { ResultsSchema } from '../../core/config/results.ts';

const seconds = z.number().nonnegative();
const count = z.int().positive();
const rate = z.number().positive();

/** Seconds of one pass over the images, each part summed over them. What goes on beside inference overlaps. */
const split = z.strictObject({
  /** On the inference thread: backbone and head. */
  graph: seconds,
  /** On the stitcher's: the label map. */
  stitch: seconds,
  /** Of these, when both were at work. */
  both: seconds,
  /** Beside it, up to five images at once: from the question to the answer, other images' turns included. */
  fetch: seconds,
  decode: seconds,
  /** On the main thread: resize; confusion matrix and digest. */
  preprocess: seconds,
  count: seconds,
});
export type Split = z.infer<typeof split>;

const pass = z.strictObject({
  /** On the clock. */
  seconds,
  imagesPerSecond: rate,
  /** Crops of the images; what pads the last batch is not counted. */
  cropsPerSecond: rate,
  batches: count,
  split,
});
export type Pass = z.infer<typeof pass>;

/** What `tessera bench --json FILE` writes. */
export const BenchReportSchema = z.strictObject({
  version: z.literal(1),
  date: z.iso.datetime(),
  environment: z.strictObject({
    cpu: z.string(),
    cores: count,
    device: z.string(),
    node: z.string(),
    onnxRuntime: z.string(),
    codeVersion: z.string(),
  }),
  config: ConfigSchema,
  /** `demo`: fitted, so that mIoU means something; `random`: only the speed does. */
  weights: z.enum(['demo', 'random']),
  /** One worker in the benchmark's own process, its model loaded and warm. */
  inProcess: z.strictObject({
    images: count,
    crops: count,
    threads: count,
    /** Once a worker, and in no pass. */
    load: z.strictObject({
      weightFetch: seconds,
      graphBuild: seconds,
      sessionCreate: seconds,
      /** The session's first batch. */
      warmUp: seconds,
    }),
    passes: z.array(pass).min(1),
    median: z.strictObject({ imagesPerSecond: rate, cropsPerSecond: rate }),
  }),
  /** `EvalMIoU` on the whole set, from its start to its results; null if it was left out. */
  endToEnd: z
    .strictObject({
      images: count,
      workers: count,
      seconds,
      mIoU: z.number().nullable(),
      /** As results.json tells. */
      ...ResultsSchema.shape.timeBudget.omit({ gpuSeconds: true }).shape,
    })
    .nullable(),
});
export type BenchReport = z.infer<typeof BenchReportSchema>;

/** The middle one; of an even number, the upper of the two in the middle. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
