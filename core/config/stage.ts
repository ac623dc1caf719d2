import { z } from 'zod';

/** What `StageDataset` is started with. */
export const StageDatasetInputSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** A folder on the control worker's machine, in the layout that the config's dataset section gives. */
  source: z.string().min(1),
  /** `s3://bucket/prefix`. */
  destination: z.string().startsWith('s3://'),
  /** Name of the dataset, for people. */
  name: z.string().min(1),
  split: z.string().default('validation'),
  imageDir: z.string(),
  annotationDir: z.string(),
  imageSuffix: z.string().startsWith('.'),
  annotationSuffix: z.string().startsWith('.'),
});
export type StageDatasetInput = z.input<typeof StageDatasetInputSchema>;

/** What `StageWeights` is started with. */
export const StageWeightsInputSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** A `.pth` file on the control worker's machine. */
  source: z.string().min(1),
  /** The object that it becomes, `s3://bucket/key`. */
  destination: z.string().startsWith('s3://'),
});
export type StageWeightsInput = z.input<typeof StageWeightsInputSchema>;

export interface Staged {
  uri: string;
  manifestUri: string;
  manifestSha256: string;
  uploadedFiles: number;
  uploadedBytes: number;
  totalFiles: number;
}
