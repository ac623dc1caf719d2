import { z } from 'zod';

/** What commands print with `--json`, where that is no published document. */

/** `tessera run --no-wait`, `tessera train --no-wait`. */
export const StartedSchema = z.strictObject({ workflowId: z.string(), runId: z.string() });
export type Started = z.infer<typeof StartedSchema>;

/** `tessera get`. */
export const CopiedSchema = z.strictObject({
  from: z.string(),
  folder: z.string(),
  files: z.int().nonnegative(),
  /** Those that were not there yet. */
  new: z.int().nonnegative(),
  /** Of all files. */
  sizeBytes: z.int().nonnegative(),
});
export type Copied = z.infer<typeof CopiedSchema>;
