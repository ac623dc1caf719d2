import { z } from 'zod';
import { DEVICES, PRECISIONS } from '../config/config.ts';

const count = z.int().nonnegative();
const seconds = z.number().nonnegative();

/** What holds a run up most. */
export const BOUNDS = ['compute', 'fetch', 'decode', 'launch', 'features', 'head', 'evaluations'] as const;
export type Bound = (typeof BOUNDS)[number];

/** What `tessera plan --json` prints: what a run would do, before it is paid for. */
export const PlanReportSchema = z.strictObject({
  version: z.literal(1),
  kind: z.enum(['evaluation', 'training']),
  config: z.string(),
  device: z.enum(DEVICES),
  precision: z.enum(PRECISIONS),
  workers: z.int().positive(),
  /** Crops of a batch. */
  batch: z.int().positive(),
  /** Evaluated, by each evaluation. */
  images: count,
  crops: count,
  shards: z.int().positive(),
  /** Of a training. */
  training: z
    .strictObject({
      steps: z.int().positive(),
      /** Crops of a step, and images that they are drawn from. */
      batch: z.int().positive(),
      images: count,
      /** `head: 0.5 M parameters`, `all: 5,905 M parameters`. */
      trained: z.string(),
      evaluations: z.int().positive(),
    })
    .optional(),
  bytes: z.strictObject({
    /** What each worker's node fetches once: of the checkpoints what the model needs. */
    weights: count,
    /** Images and annotations of one evaluation, over all workers. */
    images: count,
  }),
  /** Of one worker's GPU; null on a CPU. */
  deviceMemory: z
    .strictObject({ bytes: z.number().positive(), ofGb: z.number().positive().nullable() })
    .nullable(),
  /** Null where no calibration fits. */
  estimate: z
    .strictObject({
      seconds,
      workerHours: z.number().nonnegative(),
      /** Null without a price (run.pricePerWorkerHour). */
      price: z.strictObject({ total: z.number().nonnegative(), currency: z.string() }).nullable(),
      /** Side by side but for launch and weights, which come first. Of a training, `compute` is that of its steps. */
      parts: z.strictObject({
        launch: seconds,
        weights: seconds,
        images: seconds,
        decode: seconds,
        compute: seconds,
        evaluations: seconds.optional(),
      }),
      boundBy: z.enum(BOUNDS),
      /** The same in a sentence. */
      why: z.string(),
      calibration: z.strictObject({
        cropsPerSecond: z.number().positive(),
        deviceName: z.string(),
        /** `measured` with this config on this device, `scaled` from another config, or `assumed`. */
        basis: z.enum(['measured', 'scaled', 'assumed']),
        source: z.string(),
      }),
    })
    .nullable(),
  /** What else is to be known before it is started. */
  notes: z.array(z.string()),
});
export type PlanReport = z.infer<typeof PlanReportSchema>;
export type Estimate = NonNullable<PlanReport['estimate']>;
