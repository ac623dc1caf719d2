import { z } from 'zod';
import type { Coverage, PartialCoverage } from '../metric/coverage.ts';
import type { PlannedOwnModel } from '../model/own-onnx.ts';
import type { ShardRange } from '../shard/cut-shards.ts';
import { type Config, ConfigSchema, type DatasetClasses } from './config.ts';
import type { Cause, FleetSpec } from './fleet.ts';
import { type Labels, LabelsSchema } from './labels.ts';
import type { Listed } from './listing.ts';
import type { Results, ShardReport } from './results.ts';
import { s3Uri, weightsUri } from './uris.ts';

/** An evaluation may take a week. */
export const MAX_EVAL_MINUTES = 10_080;

/** What `EvalMIoU` is started with. */
export const EvalInputSchema = z.strictObject({
  version: z.literal(1).default(1),
  /** Name of a file in configs/ (its folder may be left out), or a config itself. */
  config: z.union([z.string().min(1), ConfigSchema]),
  /** `key.path=value`, applied to the config. */
  overrides: z.array(z.string()).default([]),
  /**
   * A checkpoint, staged or `hf://org/name@revision/file`: the backbone's, or one that holds everything. Left out for a model
   * of type onnx, whose config names its file.
   */
  weights: weightsUri.optional(),
  /** A checkpoint that lies over `weights`: the head's. */
  head: weightsUri.optional(),
  /** A staged dataset. */
  dataset: s3Uri,
  /** Split of the dataset that is evaluated. */
  split: z.string().default('validation'),
  /** Results go to `<output>/<workflow id>/`. */
  output: s3Uri,
  /** The run is cancelled after so long, and fails. */
  deadlineMinutes: z.number().positive().max(MAX_EVAL_MINUTES).default(1_440),
  /** Evaluate again although this workflow id has results: they go below the run's own id. */
  recompute: z.boolean().default(false),
  /** Such as a team's: on Job, pods and results. */
  labels: LabelsSchema.optional(),
});
export type EvalInput = z.input<typeof EvalInputSchema>;

export interface StagedObject {
  uri: string;
  sha256: string;
  sizeBytes: number;
  versionId?: string;
  /** Of a checkpoint: SHA-256 of the manifest that its plan has read. Earlier versions kept none. */
  manifestSha256?: string;
}

/** A run as planned: all that its activities need, small enough for Temporal's history. */
export interface EvalRun {
  workflowId: string;
  runId: string;
  prefix: string;
  codeVersion: string;
  imageDigest: string | null;
  config: Config;
  classes: DatasetClasses;
  /** Of a model of type onnx its file. */
  weights: StagedObject;
  head: StagedObject | null;
  /** Of a model of type onnx. */
  ownModel?: PlannedOwnModel;
  dataset: StagedObject & { name: string; split: string; images: number };
  ignoredKeys: string[];
  /** In manifest order. */
  imageIds: string[];
  shards: ShardRange[];
  /** Images that get an overlay in the report. */
  overlays: string[];
  /** What label maps hold for each class, if not the class itself. */
  labelIds: number[] | null;
  fleet: FleetSpec;
  deadlineSeconds: number;
  labels?: Labels;
}

/** Either a plan, or where the finished results of this workflow id lie. */
export type Plan = ({ kind: 'run'; run: EvalRun } | { kind: 'finished'; result: EvalResult }) & Listed;

/** What `EvalMIoU` returns. */
export interface EvalResult {
  mIoU: number | null;
  mAcc: number | null;
  aAcc: number | null;
  images: number;
  resultsUri: string;
  reportUri: string;
  /** A budget was spent before all images were evaluated: there is no exact mIoU, and the others are null, too. */
  partial?: Pick<NonNullable<Results['partial']>, 'images' | 'ofImages' | 'metrics' | 'reason'>;
  /** These are the results of an earlier run of this workflow id: nothing was computed now. */
  cached?: true;
}

export interface ShardTask {
  run: Pick<EvalRun, 'prefix' | 'config' | 'weights' | 'head' | 'ownModel' | 'dataset'>;
  range: ShardRange;
  /** Images of this shard that get an overlay for the report. */
  overlays: string[];
  /** For what is painted; null for most shards: history is dear. */
  classes: DatasetClasses | null;
  labelIds: number[] | null;
  /** Crops of a batch: less than the config's after an out-of-memory. */
  batch: number;
}

/** A shard's exact part of the result, and the evidence for it. */
export interface ShardResult {
  shard: number;
  /** Confusion matrix, encoded (core/metric/matrix-codec.ts). */
  matrix: string;
  images: { id: string; predictionSha256: string; labelledPixels: number }[];
  /** SHA-256 of the object with each image's matrix (core/image-matrices-objects.ts). Earlier versions kept none. */
  imageMatrices?: string;
  /** About what was left out and changes no number; absent if there are none. */
  warnings?: string[];
  worker: string;
  attempt: number;
  /** By the worker's clock. */
  startedAtMs: number;
  seconds: number;
  phases: WorkerPhases;
  environment: Pick<
    Results['environment'],
    'device' | 'deviceName' | 'driver' | 'onnxRuntime' | 'node' | 'precision'
  >;
}

/** A worker's heartbeat about the shard at work. */
export interface ShardHeartbeat {
  worker: string;
  imagesDone: number;
  images: number;
}

/** Seconds of a worker that went into one shard; those of its start are in the first one only. */
export interface WorkerPhases {
  start: number;
  weightFetch: number;
  graphBuild: number;
  warmUp: number;
  compute: number;
  idle: number;
}

/** Where the images are: what `progress` answers while a run is open. */
export interface Progress {
  phase: 'planning' | 'launching' | 'evaluating' | 'publishing' | 'done';
  imagesDone: number;
  imagesTotal: number;
  imagesPerSecond: number | null;
  etaSeconds: number | null;
  /** mIoU over what is done, and the share of images that it covers. */
  partial: { mIoU: number | null; coverage: number };
  shards: { done: number; total: number; slowestSeconds: number | null };
  workers: Record<string, WorkerProgress>;
  /** What keeps workers from coming at all. */
  trouble: Cause | null;
  failures: ShardReport['failures'];
}

export interface WorkerProgress {
  /** `running`, or `waiting: unschedulable: 0/2 nodes are available …`. */
  state: string;
  node?: string;
  images: number;
  shards: number;
  lastSeenSeconds: number | null;
}

export interface ReducedRun {
  matrix: string;
  coverage: Coverage;
  /** Of a run that has spent its budget. */
  partial?: PartialCoverage;
  shards: ShardReport[];
}
