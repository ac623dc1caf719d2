import { z } from 'zod';
import { FAILURE_CLASSES } from '../../core/config/failures.ts';
import { ProgressViewSchema } from './progress-view.ts';
import { RunRowSchema } from './run-row.ts';

/** What `tessera status ID --json` prints: one picture of a run. */
export const RunPictureSchema = RunRowSchema.extend({
  /** Since its start, or from its start to its end. */
  seconds: z.number().nonnegative(),
  /** Null if no control worker could be asked. */
  progress: ProgressViewSchema.nullable(),
  /** How it ended, if it did not complete. */
  failure: z
    .strictObject({
      /** Null for one that was ended from outside. */
      class: z.enum(FAILURE_CLASSES).nullable(),
      message: z.string(),
      causes: z.array(z.string()),
      worker: z.string().nullable(),
      shard: z.int().nullable(),
      remedy: z.string(),
    })
    .nullable(),
  slow: z.array(z.string()),
  waitsFor: z.array(z.string()),
  /** In Temporal's UI. */
  page: z.string().nullable(),
  resultsUri: z.string().nullable(),
  reportUri: z.string().nullable(),
});
export type RunPicture = z.infer<typeof RunPictureSchema>;
