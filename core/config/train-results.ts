import { z } from 'zod';
import { EvaluationSchema } from '../train/train-log.ts';
import { FailureReportSchema, ObjectReportSchema, RunReportSchema, WorkerReportSchema } from './results.ts';
import { TrainStartSchema } from './train-run.ts';

const seconds = z.number().nonnegative();
/** A checkpoint that is kept: its pointer, and its head as mmseg loads it. */
const checkpoint = z.strictObject({ step: z.int().positive(), uri: z.string(), head: ObjectReportSchema });

/** A training's results.json. */
export const TrainResultsSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('training'),
  run: RunReportSchema,
  inputs: z.strictObject({
    weights: ObjectReportSchema,
    dataset: ObjectReportSchema.extend({ name: z.string(), split: z.string(), images: z.int().positive() }),
    evaluation: z.strictObject({ dataset: z.string(), split: z.string() }),
    /** What the training began with. */
    start: TrainStartSchema,
  }),
  /** The step that it went on from, after an earlier run of the same workflow id. */
  resumedFrom: z.int().positive().nullable(),
  steps: z.int().positive(),
  evaluations: z.array(EvaluationSchema).min(1),
  best: EvaluationSchema,
  checkpoints: z.strictObject({ best: checkpoint, last: checkpoint }),
  /** Segments as they were done at last, and what went wrong before. */
  segments: z.array(
    z.strictObject({
      until: z.int().positive(),
      worker: z.string(),
      steps: z.int().nonnegative(),
      seconds,
      dataSeconds: seconds,
    }),
  ),
  failures: z.array(FailureReportSchema),
  workers: z.array(WorkerReportSchema),
  /** Seconds on the clock: of steps, of evaluations, and of the rest. */
  timeBudget: z.strictObject({ plan: seconds, train: seconds, evaluate: seconds, other: seconds }),
  cost: z.strictObject({
    workerSeconds: seconds,
    pricePerWorkerHour: z.number(),
    total: z.number(),
    currency: z.string(),
  }),
  artifacts: z.strictObject({
    report: z.string(),
    schema: z.string(),
    log: z.string(),
    checkpoints: z.string(),
    evaluations: z.string(),
  }),
});
export type TrainResults = z.infer<typeof TrainResultsSchema>;
