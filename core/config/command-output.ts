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

/** `tessera configs`. */
export const ConfigListSchema = z.array(
  z.strictObject({
    name: z.string(),
    /** Of its backbone, as `model.backbone.type` names it. */
    family: z.string(),
    /** The row of the original's table that it is made for, and the mIoU there, in per cent. */
    reproduces: z.strictObject({ row: z.string(), mIoU: z.number() }).nullable(),
  }),
);
export type ConfigList = z.infer<typeof ConfigListSchema>;

/** `tessera leftovers`. */
export const LeftoversSchema = z.array(
  z.strictObject({
    job: z.string(),
    workflowId: z.string(),
    activePods: z.int().nonnegative(),
    createdAt: z.iso.datetime(),
    removed: z.boolean(),
  }),
);
export type Leftovers = z.infer<typeof LeftoversSchema>;
