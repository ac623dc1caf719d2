import { z } from 'zod';
import { ConfigSchema, DEVICES, PRECISIONS } from './config.ts';
import { FAILURE_CLASSES } from './failures.ts';
import { CauseSchema } from './fleet.ts';
import { LabelsSchema } from './labels.ts';

/** results.json: everything that a run can say about itself. Exported as JSON Schema beside it. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** A share in 0…1, or null where it is not defined (mmseg's nan: a class that occurs nowhere). */
const share = z.number().min(0).max(1).nullable();

/** An object that a run has read or written. */
export const ObjectReportSchema = z.strictObject({
  uri: z.string(),
  sha256,
  sizeBytes: z.int().nonnegative(),
  /** Absent where the bucket keeps no versions. */
  versionId: z.string().exactOptional(),
  /** Of a checkpoint: SHA-256 of the manifest that the plan has read. Earlier versions kept none. */
  manifestSha256: sha256.exactOptional(),
});

/** What went wrong on the way, and was mended. */
export const FailureReportSchema = z.strictObject({ class: z.enum(FAILURE_CLASSES), message: z.string() });

export const ShardReportSchema = z.strictObject({
  shard: z.int().nonnegative(),
  images: z.int().positive(),
  worker: z.string(),
  attempts: z.int().positive(),
  seconds: z.number().nonnegative(),
  failures: z.array(FailureReportSchema),
  /** About pictures that could not be made. */
  warnings: z.array(z.string()).exactOptional(),
});
export type ShardReport = z.infer<typeof ShardReportSchema>;

/** A worker as its launcher saw it last. */
export const WorkerReportSchema = z.strictObject({
  name: z.string(),
  node: z.string().optional(),
  /** How it went, if it went before the run was done. */
  cause: CauseSchema.optional(),
  /** Until a node was found, and from there until the program ran (image pull included). */
  seconds: z.strictObject({ schedule: z.number().nonnegative(), pull: z.number().nonnegative() }).optional(),
});

/** Seconds that one phase took: on the clock, or summed over workers for worker phases. */
const seconds = z.number().nonnegative();

/** Which run it was, of which code. */
export const RunReportSchema = z.strictObject({
  workflowId: z.string(),
  runId: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  seconds,
  codeVersion: z.string(),
  imageDigest: z.string().nullable(),
  config: ConfigSchema,
  /** As the run was given them. */
  labels: LabelsSchema.exactOptional(),
});

const metrics = z.strictObject({
  aAcc: share,
  mIoU: share,
  mAcc: share,
  /** On request. */
  mDice: share.optional(),
  mFscore: share.optional(),
  mPrecision: share.optional(),
  mRecall: share.optional(),
});

export const ResultsSchema = z.strictObject({
  version: z.literal(1),
  run: RunReportSchema,
  inputs: z.strictObject({
    /** Of a model of type onnx its file. */
    weights: ObjectReportSchema,
    head: ObjectReportSchema.nullable(),
    /** Files that a model of type onnx keeps weights in, as they were when the run was planned. */
    externalFiles: z
      .array(
        z.strictObject({
          uri: z.string(),
          sizeBytes: z.int().nonnegative(),
          etag: z.string(),
          versionId: z.string().exactOptional(),
        }),
      )
      .exactOptional(),
    dataset: ObjectReportSchema.extend({ name: z.string(), split: z.string(), images: z.int().positive() }),
    /** Keys of the checkpoints that the model does not use, as the original ignores them. */
    ignoredKeys: z.array(z.string()),
  }),
  metrics,
  /**
   * Only of a run that has spent its budget: it has no exact mIoU, so that all of `metrics` are null, and `perClass` and
   * the confusion matrix are of these images alone. They are the first ones in the manifest's order, no random sample.
   */
  partial: z
    .strictObject({
      images: z.int().positive(),
      ofImages: z.int().positive(),
      shards: z.int().positive(),
      ofShards: z.int().positive(),
      /** Images in the manifest's order: from `first` on so many. */
      ranges: z.array(z.strictObject({ first: z.int().nonnegative(), count: z.int().positive() })),
      /** Why it ended. */
      reason: z.string(),
      /** Over these images. */
      metrics,
    })
    .exactOptional(),
  perClass: z.array(
    z.strictObject({
      class: z.int().nonnegative(),
      name: z.string(),
      IoU: share,
      Acc: share,
      Dice: share.optional(),
      Fscore: share.optional(),
      Precision: share.optional(),
      Recall: share.optional(),
      /** Label pixels, predicted pixels, and their intersection. */
      labelPixels: z.int().nonnegative(),
      predictedPixels: z.int().nonnegative(),
      intersectionPixels: z.int().nonnegative(),
    }),
  ),
  confusionMatrix: ObjectReportSchema.extend({
    /** [classes, classes], rows: label, columns: prediction; int64 little-endian in C order. */
    shape: z.tuple([z.int(), z.int()]),
    dtype: z.literal('int64'),
  }),
  coverage: z.strictObject({
    images: z.int().positive(),
    labelledPixels: z.int().nonnegative(),
    /** SHA-256 over all predictions in manifest order: equal for any number of shards, workers, batches. */
    predictionsSha256: sha256,
  }),
  environment: z.strictObject({
    device: z.enum(DEVICES),
    deviceName: z.string(),
    driver: z.string().nullable(),
    onnxRuntime: z.string(),
    node: z.string(),
    precision: z.enum(PRECISIONS),
    launcher: z.string(),
    workers: z.int().positive(),
  }),
  /** Where the time went. `wall` entries follow the clock; `worker` entries are summed over workers. */
  timeBudget: z.strictObject({
    wall: z.strictObject({ plan: seconds, launch: seconds, evaluate: seconds, publish: seconds }),
    worker: z.strictObject({
      start: seconds,
      weightFetch: seconds,
      graphBuild: seconds,
      warmUp: seconds,
      /** Inference thread at work (backbone and head, stitching). */
      compute: seconds,
      /** Inference thread waiting for images, or for a shard. */
      idle: seconds,
    }),
    gpuSeconds: seconds,
    /** From the start of the workflow to the first batch of the first worker at work. */
    coldStart: z
      .strictObject({
        plan: seconds,
        /** Until the worker's pod or process was created. */
        create: seconds,
        /** Until a node was found; and until the program ran, the image's pull included. */
        schedule: seconds,
        pull: seconds,
        start: seconds,
        weightFetch: seconds,
        graphBuild: seconds,
        warmUp: seconds,
        total: seconds,
      })
      .optional(),
  }),
  cost: z.strictObject({
    workerSeconds: seconds,
    pricePerWorkerHour: z.number(),
    total: z.number(),
    currency: z.string(),
  }),
  shards: z.array(ShardReportSchema),
  /** Earlier versions did not tell. */
  workers: z.array(WorkerReportSchema).default([]),
  artifacts: z.strictObject({
    report: z.string(),
    schema: z.string(),
    mmsegEval: z.string(),
    confusionMatrix: z.string(),
    /** The confusion matrix of each image (core/metric/image-matrices-codec.ts). Earlier versions kept none. */
    perImage: ObjectReportSchema.exactOptional(),
    overlays: z.array(z.strictObject({ id: z.string(), uri: z.string() })),
    /** Folders of painted images and of label maps, if the run was asked for them. */
    show: z.string().optional(),
    predictions: z.string().optional(),
    /** Folder with the last lines of workers whose own files went with them. */
    logs: z.string().optional(),
  }),
});
export type Results = z.infer<typeof ResultsSchema>;
