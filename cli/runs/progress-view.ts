import { z } from 'zod';
import type { Progress } from '../../core/config/eval.ts';
import { causeText } from '../../core/config/fleet.ts';
import { currentType } from '../../core/config/listing.ts';
import { FailureReportSchema } from '../../core/config/results.ts';
import { PROGRESS } from '../../core/config/run-messages.ts';
import type { TableProgress } from '../../core/config/table.ts';
import type { TrainProgress } from '../../core/config/train-run.ts';

const number = z.number().nullable();

/** How far a run is, whatever its kind: what its `progress` says, in one form. */
export const ProgressViewSchema = z.strictObject({
  phase: z.string(),
  unit: z.enum(['images', 'steps', 'rows']),
  done: z.int().nonnegative(),
  /** Nought before there is a plan. */
  total: z.int().nonnegative(),
  /** A second: images, or crops of a training. */
  rate: number,
  etaSeconds: number,
  /** Share in 0…1: of what is done so far, or a training's last evaluation. */
  mIoU: number,
  /** Share of the images that the mIoU covers. */
  coverage: number,
  shards: z.strictObject({ done: z.int(), total: z.int(), slowestSeconds: number }).nullable(),
  training: z
    .strictObject({
      loss: number,
      accuracy: number,
      lr: number,
      /** The step that the mIoU is of. */
      evaluatedStep: number,
      best: z.strictObject({ step: z.int(), mIoU: number }).nullable(),
      checkpoint: z.strictObject({ step: z.int(), uri: z.string() }).nullable(),
    })
    .nullable(),
  workers: z.array(
    z.strictObject({
      name: z.string(),
      /** `running`, or `waiting: unschedulable: 0/2 nodes are available …`. */
      state: z.string(),
      node: z.string().nullable(),
      role: z.string().nullable(),
      images: number,
      shards: number,
    }),
  ),
  /** What keeps workers from coming at all. */
  trouble: z.string().nullable(),
  /** That were mended, or are being mended. */
  failures: z.array(FailureReportSchema),
  rows: z.array(
    z.strictObject({
      name: z.string(),
      id: z.string(),
      kind: z.enum(['train', 'evaluate']),
      state: z.string(),
      mIoU: number,
      message: z.string().nullable(),
    }),
  ),
});
export type ProgressView = z.infer<typeof ProgressViewSchema>;

/** How far a run of a type is, in one form; null for a type that answers nothing. @throws what Temporal's client throws */
export async function askProgress(
  run: { query(name: string): Promise<unknown> },
  type: string,
): Promise<ProgressView | null> {
  return progressView(type, await run.query(PROGRESS));
}

/** What a workflow of a type answered to `progress`, in one form; null for a type that answers nothing. */
export function progressView(kind: string, answer: unknown): ProgressView | null {
  if (answer === null || answer === undefined) return null;
  if (kind === 'EvalMIoU') return evaluationView(answer as Progress);
  if (currentType(kind) === 'Train') return trainingView(answer as TrainProgress);
  if (kind === 'ReproduceTable') return tableView(answer as TableProgress);
  return null;
}

function evaluationView(progress: Progress): ProgressView {
  const { phase, imagesDone, imagesTotal, imagesPerSecond, etaSeconds, partial, shards, failures } = progress;
  return {
    phase,
    unit: 'images',
    done: imagesDone,
    total: imagesTotal,
    rate: imagesPerSecond,
    etaSeconds,
    mIoU: partial.mIoU,
    coverage: partial.coverage,
    shards,
    training: null,
    workers: Object.entries(progress.workers).map(([name, { state, node = null, images, shards: done }]) => ({
      name,
      state,
      node,
      role: null,
      images,
      shards: done,
    })),
    trouble: progress.trouble && causeText(progress.trouble),
    failures,
    rows: [],
  };
}

function trainingView(progress: TrainProgress): ProgressView {
  const { phase, step, steps, log, samplesPerSecond, etaSeconds, last, best, checkpoint, failures } =
    progress;
  const accuracy = log?.['decode.acc_seg'];
  return {
    phase,
    unit: 'steps',
    done: step,
    total: steps,
    rate: samplesPerSecond,
    etaSeconds,
    mIoU: last?.mIoU ?? null,
    coverage: last ? 1 : null,
    shards: null,
    training: {
      loss: log?.loss ?? null,
      accuracy: typeof accuracy === 'number' ? accuracy : null,
      lr: log?.lr ?? null,
      evaluatedStep: last?.step ?? null,
      best: best && { step: best.step, mIoU: best.mIoU },
      checkpoint: checkpoint && { step: checkpoint.step, uri: checkpoint.uri },
    },
    workers: Object.entries(progress.workers).map(([name, { state, node = null, role = null }]) => ({
      name,
      state,
      node,
      role,
      images: null,
      shards: null,
    })),
    trouble: progress.trouble && causeText(progress.trouble),
    failures,
    rows: [],
  };
}

function tableView({ phase, rows }: TableProgress): ProgressView {
  const ended = rows.filter(({ state }) => state === 'done' || state === 'failed').length;
  return {
    phase,
    unit: 'rows',
    done: ended,
    total: rows.length,
    rate: null,
    etaSeconds: null,
    mIoU: null,
    coverage: null,
    shards: null,
    training: null,
    workers: [],
    trouble: null,
    failures: [],
    rows: rows.map(({ name, workflowId, kind, state, mIoU, message }) => ({
      name,
      id: workflowId,
      kind,
      state,
      mIoU,
      message,
    })),
  };
}

/** Share in 0…1 of what is done; null before there is a plan. */
export function shareOf({ done, total }: Pick<ProgressView, 'done' | 'total'>): number | null {
  return total > 0 ? Math.min(1, done / total) : null;
}
