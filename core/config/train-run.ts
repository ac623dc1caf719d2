import { z } from 'zod';
import type { Evaluation, TrainRecord } from '../train/train-log.ts';
import { ConfigSchema, type DatasetClasses } from './config.ts';
import type { StagedObject } from './eval.ts';
import type { Cause, FleetSpec } from './fleet.ts';
import { type Labels, LabelsSchema } from './labels.ts';
import type { Listed, ListedCost } from './listing.ts';
import type { VitConfig } from './model-kinds.ts';
import { ObjectReportSchema, type ShardReport } from './results.ts';
import type { TrainConfig } from './train.ts';
import { s3Uri, weightsUri } from './uris.ts';

/** What `Train` is started with. */
export const TrainInputSchema = z
  .strictObject({
    version: z.literal(1).default(1),
    /** Name of a file in configs/ (its folder may be left out), or a config itself, with a `train` section. */
    config: z.union([z.string().min(1), ConfigSchema]),
    /** `key.path=value`, applied to the config. */
    overrides: z.array(z.string()).default([]),
    /** A checkpoint, staged or `hf://org/name@revision/file`: the backbone's, which a training of every parameter begins with. */
    weights: weightsUri,
    /** A staged dataset, with the split that the config trains on and the one that it is evaluated on. */
    dataset: s3Uri,
    /** Split that checkpoints are evaluated on. */
    evaluationSplit: z.string().default('validation'),
    /** Train although the evaluation has some of the same images: its mIoU is then not that of unseen ones. */
    allowOverlap: z.boolean().default(false),
    /** Checkpoints, log and results go to `<output>/<workflow id>/`. */
    output: s3Uri,
    /** The run is cancelled after so long, and fails; its last checkpoint stays. */
    deadlineMinutes: z.number().positive().max(43_200).default(10_080),
    /** `auto`: resume from the newest checkpoint of this workflow id, if there is one. `never`: refuse if there is. */
    resume: z.enum(['auto', 'never']).default('auto'),
    /** Another run's checkpoint (its `iter_<step>.json`, or a folder of them): weights, optimizer and step are resumed. */
    resumeFrom: s3Uri.optional(),
    /** A staged head: only its weights are taken, the training begins at step 0. */
    loadFrom: s3Uri.optional(),
    /** Train again although this workflow id has results: everything goes below the run's own id. */
    recompute: z.boolean().default(false),
    /** Such as a team's: on Job, pods and results, those of the evaluations as well. */
    labels: LabelsSchema.optional(),
  })
  .refine(({ resumeFrom, loadFrom }) => !(resumeFrom && loadFrom), {
    error: 'does not go with resumeFrom: one begins at step 0, the other resumes',
    path: ['loadFrom'],
  });
export type TrainInput = z.input<typeof TrainInputSchema>;

/** A config that says how to train. */
export type TrainableConfig = VitConfig & { train: TrainConfig };

/** A training as planned: all that its activities need, small enough for Temporal's history. */
export interface TrainRun {
  workflowId: string;
  runId: string;
  prefix: string;
  codeVersion: string;
  imageDigest: string | null;
  config: TrainableConfig;
  classes: DatasetClasses;
  weights: StagedObject;
  /** The split that is trained on; `images` as few as the config takes of it. */
  dataset: StagedObject & { name: string; split: string; images: number };
  evaluation: { dataset: string; split: string };
  start: TrainStart;
  /** What trains, for people. Plans of earlier versions don't say. */
  trained?: string;
  fleet: FleetSpec;
  deadlineSeconds: number;
  labels?: Labels;
}

/** What a training began with, or begins with if its own folder has no checkpoint yet. */
export const TrainStartSchema = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('scratch') }),
  z.strictObject({ from: z.literal('head'), head: ObjectReportSchema }),
  z.strictObject({ from: z.literal('checkpoint'), uri: z.string(), step: z.int().nonnegative() }),
]);
export type TrainStart = z.infer<typeof TrainStartSchema>;

/** Either a plan with what earlier runs of this workflow id have left, or where its finished results lie. */
export type TrainPlan = (
  | { kind: 'run'; run: TrainRun; checkpoint: SavedCheckpoint | null; evaluations: Evaluation[] }
  | { kind: 'finished'; result: TrainResult }
) &
  Listed;

/** What `Train` returns. */
export interface TrainResult {
  steps: number;
  /** Of the best evaluation, and of the last one. */
  best: Evaluation;
  last: Evaluation;
  /** The best evaluation's head, to be loaded by mmseg or given to `EvalMIoU`. */
  head: string;
  logUri: string;
  resultsUri: string;
  /** Earlier versions did not tell. */
  cost?: ListedCost;
  /** These are the results of an earlier run of this workflow id: nothing was computed now. */
  cached?: true;
}

/** A checkpoint that is there, as a workflow knows it. */
export interface SavedCheckpoint {
  step: number;
  /** Its pointer, `…/iter_<step>.json`. */
  uri: string;
  head: StagedObject;
}

/** One part of a training, up to the next evaluation. */
export interface SegmentTask {
  run: TrainRun;
  /** Step at which the segment ends. */
  until: number;
  /** Number of this attempt within the run. Messages of a lost trainer have another number. */
  attempt: number;
}

export interface SegmentResult {
  checkpoint: SavedCheckpoint;
  worker: string;
  /** Steps of this attempt; `seconds` is their time, including the wait for features. */
  steps: number;
  seconds: number;
  dataSeconds: number;
}

/** Signal of a trainer that is ready to receive features from other workers. */
export interface TrainerReady {
  attempt: number;
  worker: string;
  /** `host:port`. */
  address: string;
  /** Workers must send this token. */
  token: string;
}

/** Task of a feature worker. It has only the needed part of the run, because many of them are in the history. */
export interface ServeTask {
  run: Pick<TrainRun, 'config' | 'weights' | 'dataset'>;
  trainer: TrainerReady;
}

/** Heartbeat of a trainer. */
export interface TrainHeartbeat {
  worker: string;
  step: number;
  steps: number;
  loss: number | null;
  lr: number | null;
  /** mmseg's decode.acc_seg: percent of labelled pixels. */
  accuracy: number | null;
  samplesPerSecond: number | null;
  etaSeconds: number | null;
}

/** How far a training is: what its `progress` answers. */
export interface TrainProgress {
  phase: 'planning' | 'launching' | 'training' | 'evaluating' | 'publishing' | 'done';
  step: number;
  steps: number;
  /** The latest of the log. */
  log: TrainRecord | null;
  samplesPerSecond: number | null;
  etaSeconds: number | null;
  last: Evaluation | null;
  best: Evaluation | null;
  checkpoint: SavedCheckpoint | null;
  workers: Record<string, { state: string; node?: string; role?: 'trainer' }>;
  /** What keeps workers from coming at all. */
  trouble: Cause | null;
  failures: ShardReport['failures'];
}
