import {
  CancellationScope,
  ChildWorkflowFailure,
  isCancellation,
  sleep,
  startChild,
  TerminatedFailure,
} from '@temporalio/workflow';
import { type EvalInput, MAX_EVAL_MINUTES } from '../core/config/eval.ts';
import { BadInput, mayPass } from '../core/config/failures.ts';
import type { SavedCheckpoint, TrainableConfig } from '../core/config/train-run.ts';
import { joinUri } from '../core/store.ts';
import type { Evaluation } from '../core/train/train-log.ts';
import { trainsBackbone } from '../core/train/trainable.ts';
import { control } from './activities.ts';
import { longBackoff } from './backoff.ts';
import type { EvalMIoU } from './eval-miou.ts';
import { classify } from './failure.ts';
import type { Training } from './train-segments.ts';

/** Tries in a row, so that a week of training outlives a quarter of an hour without S3. */
const MAX_ATTEMPTS = 7;

/** Evaluates a checkpoint and records that it is. What may pass by itself is waited for. */
export async function evaluateCheckpoint(
  training: Training,
  checkpoint: SavedCheckpoint,
): Promise<Evaluation> {
  let evaluation: Evaluation | null = null;
  for (let attempt = 1; ; attempt++) {
    try {
      evaluation ??= await evaluate(training, checkpoint);
      await control.recordEvaluation(training.run, evaluation);
      return evaluation;
    } catch (error) {
      if (isCancellation(error)) throw error;
      const failure = classify(error);
      training.onFailure(failure);
      // An unforeseen error was tried again where it happened.
      const isLasting = !mayPass(failure.class) || failure.class === 'Unexpected';
      if (isLasting || attempt >= MAX_ATTEMPTS) throw error;
      await sleep(longBackoff(attempt));
    }
  }
}

function withoutLimits({
  run: { budget: _b, notify: _n, report: _r, ...run },
  ...config
}: TrainableConfig): EvalInput['config'] {
  return { ...config, run };
}

/** By `EvalMIoU`, a run of its own on this one's fleet. @throws BadInput if somebody has ended that one alone */
async function evaluate({ run, fleet }: Training, { step, head }: SavedCheckpoint): Promise<Evaluation> {
  const input: EvalInput = {
    // Its workers are the training's, which counts their cost, sends the notice and reports it.
    config: withoutLimits(run.config),
    // Where the backbone trains, a checkpoint holds the whole model.
    ...(trainsBackbone(run.config) ? { weights: head.uri } : { weights: run.weights.uri, head: head.uri }),
    ...run.evaluation,
    output: joinUri(run.prefix, 'evaluations'),
    deadlineMinutes: Math.min(run.deadlineSeconds / 60, MAX_EVAL_MINUTES),
    // Below its own id: one of the same step may be there, of a try or a run that was begun and lost before.
    recompute: true,
    ...(run.labels ? { labels: run.labels } : {}),
  };
  const child = await startChild<typeof EvalMIoU>('EvalMIoU', {
    workflowId: `${run.workflowId}-iter_${step}`,
    args: [input, run.fleet],
  });
  const silence = fleet.forwardTo(child);
  try {
    const { mIoU, mAcc, aAcc, resultsUri } = await child.result();
    return { step, mIoU, mAcc, aAcc, resultsUri };
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    if (isCancellation(error)) throw new BadInput(`the evaluation of step ${step} was cancelled`);
    if (error instanceof ChildWorkflowFailure && error.cause instanceof TerminatedFailure)
      throw new BadInput(`the evaluation of step ${step} was terminated`);
    throw error;
  } finally {
    silence();
  }
}
