import { z } from 'zod';
import type { StepLog } from '../config/train.ts';
import { joinUri, type Store, unlessAbsent } from '../store.ts';

/**
 * A training's log: JSON lines as mmcv's TextLoggerHook writes them. The first says how it was begun, `train` lines
 * hold means over the steps since the line before, `val` lines an evaluation. Numbers aren't rounded to five digits
 * as there, and `iter` of an evaluation is the training's, not the number of its images.
 *
 * @see mmcv 1.7 `runner/hooks/logger/text.py`
 */
const line = z.looseObject({ mode: z.string().optional(), iter: z.number().optional() });
export type LogLine = z.infer<typeof line>;

/** A `train` line. */
export interface TrainRecord {
  mode: 'train';
  epoch: number;
  iter: number;
  lr: number;
  loss: number;
  /** Seconds of a step, and how many of them it waited for features. */
  time: number;
  data_time: number;
  /** Other workers that brought features at the end of these steps. */
  feature_workers?: number;
  /** `decode.loss_ce`, `decode.acc_seg` … */
  [part: string]: number | string;
}

/** A checkpoint's evaluation: shares in 0…1. */
export const EvaluationSchema = z.strictObject({
  step: z.int().positive(),
  mIoU: z.number().nullable(),
  mAcc: z.number().nullable(),
  aAcc: z.number().nullable(),
  resultsUri: z.string(),
});
export type Evaluation = z.infer<typeof EvaluationSchema>;

/** What the log's first line says. */
export interface LogHeader {
  env_info: string;
  seed: number;
  exp_name: string;
  /** Earlier versions did not tell. */
  started_at?: string;
  tessera_version: string;
  /** `all: 5,905 M parameters`. Earlier versions trained heads only. */
  trained?: string;
  config: string;
}

/** The sums that a `train` line is made of, so far: what a checkpoint keeps of steps that are not logged yet. */
export const LogWindowSchema = z.strictObject({
  steps: z.int().nonnegative(),
  /** By the names of a line. */
  sums: z.record(z.string(), z.number()),
});
export type LogWindow = z.infer<typeof LogWindowSchema>;

export const EMPTY_WINDOW: LogWindow = { steps: 0, sums: {} };

/** Adds a step's figures. After a checkpoint the sums resume bit for bit; times do not. */
export function addToWindow(
  { steps, sums }: LogWindow,
  { loss, parts }: StepLog,
  seconds: { time: number; data_time: number },
): LogWindow {
  const next = { ...sums };
  for (const [name, value] of Object.entries({ ...parts, loss, ...seconds }))
    next[name] = (next[name] ?? 0) + value;
  return { steps: steps + 1, sums: next };
}

/** The line that a window makes. */
export function trainRecord(
  { steps, sums }: LogWindow,
  log: StepLog,
  { epoch, feature_workers }: { epoch: number; feature_workers: number },
): TrainRecord {
  const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps]));
  const { loss = 0, time = 0, data_time = 0, ...parts } = means;
  return {
    mode: 'train',
    epoch,
    iter: log.step,
    lr: log.lr,
    ...parts,
    loss,
    time,
    data_time,
    feature_workers,
  };
}

/** A run's log; nothing if it has none yet. */
export async function readLog(store: Store, prefix: string): Promise<LogLine[]> {
  const bytes = await unlessAbsent(store.read(logUri(prefix)));
  return bytes ? parseLog(bytes) : [];
}

/** Where a run's log lies. */
export function logUri(prefix: string): string {
  return joinUri(prefix, 'train.log.json');
}

function parseLog(bytes: Uint8Array): LogLine[] {
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.flatMap((text) => {
    if (text.trim() === '') return [];
    try {
      return [line.parse(JSON.parse(text))];
    } catch {
      // A damaged line is skipped: the log has no state that the training needs.
      return [];
    }
  });
}

export function formatLog(lines: (LogLine | TrainRecord | LogHeader)[]): Uint8Array {
  return new TextEncoder().encode(lines.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
}

/** The part of a log that is valid for a training that resumes after `step` steps. */
export function upTo(lines: LogLine[], step: number): LogLine[] {
  return lines.filter(({ iter = 0 }) => iter <= step);
}

/** The `train` lines of a log. */
export function trainRecordsOf(lines: LogLine[]): TrainRecord[] {
  return lines.filter((entry): entry is TrainRecord & LogLine => entry.mode === 'train');
}

/** The evaluations that a log has, by step. */
export function evaluationsOf(lines: LogLine[]): Evaluation[] {
  return lines
    .filter(({ mode }) => mode === 'val')
    .flatMap(({ iter: step, mIoU, mAcc, aAcc, results: resultsUri }) => {
      const parsed = EvaluationSchema.safeParse({ step, mIoU, mAcc, aAcc, resultsUri });
      return parsed.success ? [parsed.data] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** A `val` line, mmseg's names for the classes' shares: `IoU.wall`, `Acc.wall`. */
export function evaluationLine(
  { step, mIoU, mAcc, aAcc, resultsUri }: Evaluation,
  perClass: { name: string; IoU: number | null; Acc: number | null }[],
  { epoch, lr }: { epoch: number; lr: number },
): LogLine {
  const classes = [
    ...perClass.map(({ name, IoU }) => [`IoU.${name}`, IoU]),
    ...perClass.map(({ name, Acc }) => [`Acc.${name}`, Acc]),
  ];
  return {
    mode: 'val',
    epoch,
    iter: step,
    lr,
    aAcc,
    mIoU,
    mAcc,
    ...Object.fromEntries(classes),
    results: resultsUri,
  };
}

/** The best of evaluations by mIoU, the earliest of equals. */
export function bestOf(evaluations: Evaluation[]): Evaluation | null {
  return evaluations.reduce<Evaluation | null>(
    (best, one) => (best === null || (one.mIoU ?? -1) > (best.mIoU ?? -1) ? one : best),
    null,
  );
}
