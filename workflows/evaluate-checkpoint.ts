import { startChild } from '@temporalio/workflow';
import type { EvalInput } from '../core/config/eval.ts';
import type { SavedCheckpoint, TrainRun } from '../core/config/train-run.ts';
import { joinUri } from '../core/store.ts';
import type { Evaluation } from '../core/train/train-log.ts';
import type { EvalMIoU } from './eval-miou.ts';
import type { FleetView } from './fleet-view.ts';

/** An evaluation takes no longer than its training may, or than any. */
const MAX_MINUTES = 10_080;

/** Evaluates a checkpoint by `EvalMIoU`, a run of its own on this one's fleet. */
export async function evaluateCheckpoint(
  run: TrainRun,
  { step, head }: SavedCheckpoint,
  fleet: FleetView,
): Promise<Evaluation> {
  const input: EvalInput = {
    ...{ config: run.config, weights: run.weights.uri, head: head.uri },
    ...run.evaluation,
    output: joinUri(run.prefix, 'evaluations'),
    deadlineMinutes: Math.min(run.deadlineSeconds / 60, MAX_MINUTES),
    // Below its own id: one of the same step may be there, of a run that was begun and lost before.
    recompute: true,
  };
  const child = await startChild<typeof EvalMIoU>('EvalMIoU', {
    workflowId: `${run.workflowId}-iter_${step}`,
    args: [input, run.fleet],
  });
  const silence = fleet.tellTo(child);
  try {
    const { mIoU, mAcc, aAcc, resultsUri } = await child.result();
    return { step, mIoU, mAcc, aAcc, resultsUri };
  } finally {
    silence();
  }
}
