import { z } from 'zod';

/** Tracking tools that a run writes its figures for. Nothing is written or sent for what isn't named here. */
export const ReportSchema = z.strictObject({
  /** An event file for TensorBoard beside the log, or beside the results: `tensorboard/`. */
  tensorboard: z.boolean().default(false),
});
