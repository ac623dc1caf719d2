import { z } from 'zod';
import { EvaluationSchema } from '../train/train-log.ts';
import { ConfigSchema } from './config.ts';
import type { EvalInput } from './eval.ts';
import { LabelsSchema } from './labels.ts';
import type { Listed } from './listing.ts';
import { FailureReportSchema, RunReportSchema } from './results.ts';
import type { TrainInput } from './train-run.ts';
import { s3Uri, weightsUri } from './uris.ts';

/** Rows that belong together, by the folders of their configs. */
export const SUITES = {
  'few-shot': ['few_shot'],
  all: ['linear_probing', 'head_tuning', 'full_tuning', 'few_shot'],
  dinov2: ['dinov2'],
  dinov3: ['dinov3'],
} as const;
export type Suite = keyof typeof SUITES;

const config = z.union([z.string().min(1), ConfigSchema]);

const TableRowInputSchema = z
  .strictObject({
    /** Name of a file in configs/ (its folder may be left out), or a config itself. */
    config,
    /** After those of the whole table. */
    overrides: z.array(z.string()).default([]),
    /** Staged checkpoint and dataset, in place of the table's. */
    weights: weightsUri.optional(),
    dataset: s3Uri.optional(),
    /** A staged head: it is evaluated, and nothing is trained. */
    head: weightsUri.optional(),
    /** Whether a head is trained; if nothing is said, where the config says how and no head is given. */
    train: z.boolean().optional(),
  })
  .refine(({ head, train }) => !(head && train), {
    error: 'expected false or nothing where a head is given: that one is evaluated',
    path: ['train'],
  });

/** What `ReproduceTable` is started with. */
export const TableInputSchema = z
  .strictObject({
    version: z.literal(1).default(1),
    suite: z.enum(Object.keys(SUITES) as [Suite, ...Suite[]]).optional(),
    /** Beside the suite's, or in place of that of the same config. */
    rows: z.array(TableRowInputSchema).max(64).default([]),
    /** `key.path=value`, applied to every row's config. */
    overrides: z.array(z.string()).default([]),
    /** A staged checkpoint: the backbone's. */
    weights: weightsUri.optional(),
    /**
     * Where `tessera stage published` has put weights and heads. With neither this nor `weights`, each row reads the weights
     * that its config names as published on the Hugging Face Hub.
     */
    published: s3Uri.optional(),
    /** A staged dataset, with the split to train on and the one to evaluate on. */
    dataset: s3Uri,
    evaluationSplit: z.string().default('validation'),
    /** As in `Train`. */
    allowOverlap: z.boolean().default(false),
    /** The table goes to `<output>/<workflow id>/`, its rows' runs below it. */
    output: s3Uri,
    /** Rows at a time: each has a fleet of its own. */
    concurrency: z.int().positive().max(16).default(1),
    /** The whole is cancelled after so long, and fails; what its rows have done stays. */
    deadlineMinutes: z.number().positive().max(43_200).default(20_160),
    /** Make the table again although this workflow id has one: rows that are done are taken as they are. */
    recompute: z.boolean().default(false),
    /** Such as a team's: on every row's Job, pods and results. */
    labels: LabelsSchema.optional(),
  })
  .refine(({ suite, rows }) => suite !== undefined || rows.length > 0, {
    error: 'expected at least one row, or a suite',
    path: ['rows'],
  });
export type TableInput = z.input<typeof TableInputSchema>;
export type TableRequest = z.infer<typeof TableInputSchema>;
export type TableRowInput = z.infer<typeof TableRowInputSchema>;

/**
 * A row as planned: what is started for it, under which workflow id. Plans of earlier versions name no type for a training:
 * it is started as `TrainHead`, as their histories have it.
 */
export type PlannedRow = { name: string; workflowId: string } & (
  | { kind: 'train'; workflowType?: 'Train'; input: TrainInput }
  | { kind: 'evaluate'; input: EvalInput }
);

export interface TableRun {
  workflowId: string;
  runId: string;
  prefix: string;
  codeVersion: string;
  /** With the config of each row, as it is resolved. */
  rows: (PlannedRow & { reproduces: z.infer<typeof reproduces> })[];
  request: TableRequest;
}

export type TablePlan = ({ kind: 'run'; run: TableRun } | { kind: 'finished'; result: TableResult }) & Listed;

/** How a row ended. */
export type RowOutcome = { kind: 'done'; resultsUri: string } | z.infer<typeof failed>;

/** What `ReproduceTable` returns. */
export interface TableResult {
  rows: number;
  failed: number;
  tableUri: string;
  markdownUri: string;
  pageUri: string;
  /** These are the results of an earlier run of this workflow id: nothing was computed now. */
  cached?: true;
}

/** Where a table is: what its `progress` answers. A row's own progress is asked of its own workflow. */
export interface TableProgress {
  phase: 'planning' | 'running' | 'publishing' | 'done';
  rows: {
    name: string;
    workflowId: string;
    kind: PlannedRow['kind'];
    state: 'waiting' | 'running' | 'done' | 'failed';
    /** Of the last evaluation; null if there is none. */
    mIoU: number | null;
    message: string | null;
  }[];
}

const reproduces = ConfigSchema.shape.reproduces.unwrap().nullable();
const share = z.number().min(0).max(1).nullable();
const seconds = z.number().nonnegative();

const done = z.strictObject({
  kind: z.enum(['trained', 'evaluated']),
  /** Of the last step, as the original reports it, or of the head that was given. */
  mIoU: share,
  /** In points: per cent of ours minus those of the original. */
  difference: z.number().nullable(),
  /** Of a training: the best evaluation, its steps, and the images that it learnt from. */
  best: EvaluationSchema.nullable(),
  steps: z.int().positive().nullable(),
  trainingImages: z.int().positive().nullable(),
  /** Evaluated. */
  images: z.int().positive(),
  seconds,
  workerSeconds: seconds,
  device: z.string(),
  cost: z.strictObject({ total: z.number().nonnegative(), currency: z.string() }),
  resultsUri: z.string(),
  reportUri: z.string(),
});

const failed = FailureReportSchema.extend({ kind: z.literal('failed') });

/** table.json: the original's numbers and ours. */
export const TableSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal('table'),
  run: RunReportSchema.omit({ imageDigest: true, config: true }),
  /** What was asked for. */
  request: TableInputSchema,
  rows: z.array(
    z.strictObject({
      name: z.string(),
      workflowId: z.string(),
      reproduces,
      outcome: z.discriminatedUnion('kind', [done, failed]),
    }),
  ),
  /** Of all rows that are done; absent in tables of earlier versions, and where rows have different currencies. */
  cost: z
    .strictObject({ workerSeconds: seconds, total: z.number().nonnegative(), currency: z.string() })
    .exactOptional(),
  artifacts: z.strictObject({ markdown: z.string(), page: z.string(), schema: z.string() }),
});
export type Table = z.infer<typeof TableSchema>;
export type TableRow = Table['rows'][number];
export type DoneRow = z.infer<typeof done>;
