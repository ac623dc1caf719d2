import { z } from 'zod';
import { DatasetLayoutSchema } from './config.ts';

/** What `StageDataset` is started with. */
export const StageDatasetInputSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** A folder or a zip on the control worker's machine, in the layout that a config's dataset section gives. */
  source: z.string().min(1),
  /** Where the annotations are published by themselves: a second folder or zip, in the same layout. */
  annotationSource: z.string().min(1).optional(),
  /** `s3://bucket/prefix`. */
  destination: z.string().startsWith('s3://'),
  /** Name of the dataset, for people. */
  name: z.string().min(1),
  split: z.string().default('validation'),
  /** Decodes every file before the first one is sent; headers are read in any case. */
  check: z.boolean().default(false),
  ...DatasetLayoutSchema.shape,
  /** Absent: images alone, to be predicted. */
  annotationDir: DatasetLayoutSchema.shape.annotationDir.optional(),
});
export type StageDatasetInput = z.input<typeof StageDatasetInputSchema>;

/** What `StageWeights` is started with. */
export const StageWeightsInputSchema = z.strictObject({
  version: z.literal(1).default(1),
  /**
   * A `.safetensors` or `.pth`: a file on the control worker's machine, an `s3://bucket/key`, an `https://` URL, or
   * `hf://org/name@revision/file`. A folder, an index of shards, or a repository alone stands for the weights in it.
   */
  source: z.string().min(1),
  /** The object that it becomes, `s3://bucket/key`. */
  destination: z.string().startsWith('s3://'),
});
export type StageWeightsInput = z.input<typeof StageWeightsInputSchema>;

/** What staging did: `tessera stage --json`, and what its workflows return. */
export const StagedSchema = z.strictObject({
  uri: z.string(),
  manifestUri: z.string(),
  manifestSha256: z.string(),
  /** Those that were not there yet. */
  uploadedFiles: z.int().nonnegative(),
  uploadedBytes: z.int().nonnegative(),
  totalFiles: z.int().nonnegative(),
  /** Sentences about files of a dataset's folders that are not part of what was staged. */
  leftOut: z.array(z.string()).optional(),
});
export type Staged = z.infer<typeof StagedSchema>;
