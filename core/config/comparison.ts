import { z } from 'zod';

/** What `tessera compare --json` prints. Shares lie in 0…1, null where they are not defined; differences are those of a run to the first one. */
const share = z.number().min(0).max(1).nullable();
const difference = z.number().min(-1).max(1).nullable();
/** Lower and upper end; null where it can't be computed. */
const interval = z.tuple([z.number(), z.number()]).nullable();

const ChangeSchema = z.strictObject({ before: share, after: share, difference, interval });
export type Change = z.infer<typeof ChangeSchema>;

const ClassChangeSchema = ChangeSchema.extend({
  class: z.int().nonnegative(),
  name: z.string(),
  labelPixels: z.int().nonnegative(),
  /** Images in which the class is labelled, or predicted by either run; null without per-image matrices. */
  images: z.int().nonnegative().nullable(),
  /** Two-sided, of this class alone. */
  p: z.number().min(0).max(1).nullable(),
  /** Whether the interval leaves 0 out: of this class alone. */
  excludesZero: z.boolean().nullable(),
  /** Whether the change holds although all classes were looked at (Benjamini–Hochberg). */
  significant: z.boolean().nullable(),
});
export type ClassChange = z.infer<typeof ClassChangeSchema>;

const ComparedRunSchema = z.strictObject({
  /** As it was asked for. */
  name: z.string(),
  workflowId: z.string(),
  runId: z.string(),
  config: z.string(),
  finishedAt: z.iso.datetime(),
  weights: z.string(),
  head: z.string().nullable(),
});

export const ComparisonSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('comparison'),
  dataset: z.strictObject({
    name: z.string(),
    split: z.string(),
    images: z.int().positive(),
    sha256: z.string(),
  }),
  /** How intervals were made: images drawn with replacement, the same ones for both runs. */
  bootstrap: z.strictObject({
    resamples: z.int().positive(),
    seed: z.int(),
    confidence: z.number().min(0).max(1),
  }),
  /** What all others are compared to. */
  baseline: ComparedRunSchema,
  comparisons: z.array(
    z.strictObject({
      run: ComparedRunSchema,
      mIoU: ChangeSchema,
      mAcc: ChangeSchema,
      aAcc: ChangeSchema,
      /** What matters most first: changes that hold, then those whose own interval excludes 0, each by size. */
      perClass: z.array(ClassChangeSchema),
      notes: z.array(z.string()),
    }),
  ),
});
export type Comparison = z.infer<typeof ComparisonSchema>;
export type ComparedPair = Comparison['comparisons'][number];
