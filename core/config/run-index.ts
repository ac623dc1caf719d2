import { z } from 'zod';

/** What `tessera index --json` prints: the published runs below a prefix, the last one first. */
export const IndexedRunSchema = z.strictObject({
  kind: z.enum(['evaluation', 'training', 'table']),
  workflowId: z.string(),
  /** Of a table the suite, or how many rows it has. */
  config: z.string().nullable(),
  /** Name and split; of a table its address. */
  dataset: z.string().nullable(),
  /** Share in 0…1: of an evaluation, of a training's last one, or over the images of a partial result. Null of a table. */
  mIoU: z.number().min(0).max(1).nullable(),
  /** What the config reproduces, percent. */
  original: z.number().nullable(),
  /** Of a run that has spent its budget. */
  partial: z.strictObject({ images: z.int(), ofImages: z.int() }).nullable(),
  finishedAt: z.iso.datetime().nullable(),
  labels: z.record(z.string(), z.string()),
  cost: z.strictObject({ total: z.number(), currency: z.string() }).nullable(),
  resultsUri: z.string(),
  /** Null if it isn't there. */
  pageUri: z.string().nullable(),
  /** The training or table that this is an evaluation or a row of. */
  partOf: z.string().nullable(),
  /** Why only a part of the results could be read: another version has written them. */
  incomplete: z.string().nullable(),
});
export type IndexedRun = z.infer<typeof IndexedRunSchema>;

export const IndexSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('index'),
  prefix: z.string(),
  page: z.string(),
  runs: z.array(IndexedRunSchema),
  /** Objects that are named as results are, and are none that could be read. */
  notRead: z.array(z.strictObject({ uri: z.string(), reason: z.string() })),
});
export type RunIndex = z.infer<typeof IndexSchema>;
