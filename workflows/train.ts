import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { TrainOutcome } from '../activities/publish/publish-training.ts';
import { budgetSeconds, budgetText } from '../core/budget.ts';
import { TypedFailure } from '../core/config/failures.ts';
import type { TrainInput, TrainPlan, TrainResult, TrainRun } from '../core/config/train-run.ts';
import { isStop, nextStop } from '../core/train/segments.ts';
import { control } from './activities.ts';
import { beforeDeadline } from './deadline.ts';
import { evaluateCheckpoint } from './evaluate-checkpoint.ts';
import { asRunFailure, classify } from './failure.ts';
import { type FleetView, watchFleet } from './fleet-view.ts';
import { launchFleet, notDone } from './launch-fleet.ts';
import { type ListedOutcome, listRun } from './listing.ts';
import { type OnPlan, withNotice } from './notify.ts';
import type { Reporter } from './report.ts';
import { reproduceTraining } from './reproduce-training.ts';
import { checkpointText, type TrainTracker, trackTraining } from './train-progress.ts';
import { type Training, trainUntil } from './train-segments.ts';
import { type TrainingView, watchTraining } from './training-view.ts';

/**
 * Trains a model as its recipe says, its head alone or every parameter: from checkpoint to checkpoint, with an evaluation
 * in between, on whatever workers there are. Whatever was lost, the steps are the same, bit for bit.
 */
export function Train(input: TrainInput): Promise<TrainResult> {
  return withNotice('Train', input, (onPlan) => trainModel(input, onPlan));
}

async function trainModel(input: TrainInput, onPlan: OnPlan): Promise<TrainResult> {
  const fleet = watchFleet();
  const view = watchTraining();
  const progress = trackTraining(fleet, view);
  const listed = listRun();
  let isPlanned = false;
  try {
    const plan = await control.planTrain(input);
    listed.planned(plan.listing);
    if (plan.kind === 'finished') {
      listed.done(outcomeOf(plan.result));
      return plan.result;
    }
    isPlanned = true;
    if (plan.checkpoint) view.knowCheckpoint(plan.checkpoint);
    progress.plan(plan.run, plan.evaluations);
    const reporter = onPlan(plan.run);
    const result = await train(plan, input, { fleet, view, progress, reporter });
    listed.done(outcomeOf(result));
    return result;
  } catch (error) {
    listed.failed(error);
    if (isCancellation(error) || !isPlanned) throw asRunFailure(error);
    const { class: failureClass, message } = classify(error);
    const told = `${message}${checkpointText(view.checkpoint())}`;
    throw asRunFailure(new TypedFailure(failureClass, told, { cause: error }));
  }
}

/** What lists show of it: its last step's mIoU, as the original reports it. */
function outcomeOf({ last, cost, resultsUri }: TrainResult): ListedOutcome {
  return { mIoU: last.mIoU, cost: cost ?? null, resultsUri };
}

interface Watched {
  fleet: FleetView;
  view: TrainingView;
  progress: TrainTracker;
  reporter: Reporter;
}

async function train(
  plan: TrainPlan & { kind: 'run' },
  input: TrainInput,
  watched: Watched,
): Promise<TrainResult> {
  const { run } = plan;
  const { fleet, progress } = watched;
  const planned = Date.now();
  // A cancelled run needs its trainer until that has saved where it is.
  const launched = await CancellationScope.nonCancellable(async () => launchFleet(run.fleet));
  try {
    const work = () => Promise.race([trainAndEvaluate(run, watched), launched.failed]);
    const done = await withinBudget(run, work, () => notDone(fleet));
    // As they are now: that they go from here on is no news.
    const { workers } = fleet.state();
    const started = workflowInfo().startTime.getTime();
    const ended = launched.end();
    progress.enter('publishing');
    const result = await control.publishTraining({
      run,
      resumedFrom: plan.checkpoint?.step ?? null,
      evaluations: progress.evaluations(),
      failures: progress.failures(),
      segments: done.segments,
      workers,
      reproduce: reproduceTraining(run, input),
      times: { started, planned, trained: Date.now(), evaluateSeconds: done.evaluateSeconds },
    });
    await ended;
    progress.enter('done');
    return result;
  } catch (error) {
    await launched.end();
    throw error;
  }
}

/** A training ends at its deadline, or before it when its budget is spent: with a checkpoint of where it is. */
function withinBudget<T>(
  { config, fleet, deadlineSeconds }: TrainRun,
  work: () => Promise<T>,
  why: () => string,
): Promise<T> {
  const budget = budgetSeconds(config.run);
  if (budget === null || budget / fleet.workers >= deadlineSeconds)
    return beforeDeadline(deadlineSeconds * 1000, work, why);
  const spent = () =>
    new TypedFailure(
      'BudgetSpent',
      `${budgetText(config.run)} was spent before the training was done. With a higher one the same workflow id resumes`,
    );
  return beforeDeadline((budget / fleet.workers) * 1000, work, why, spent);
}

/** From stop to stop: evaluate where that is to be done, train to the next one. */
async function trainAndEvaluate(
  run: TrainRun,
  { fleet, view, progress, reporter }: Watched,
): Promise<{ segments: TrainOutcome['segments']; evaluateSeconds: number }> {
  const { train } = run.config;
  const training: Training = { run, fleet, view, attempts: 0, isReached: true, onFailure: progress.failed };
  const segments: TrainOutcome['segments'] = [];
  let evaluateSeconds = 0;
  let step = firstStep(run, view);
  for (;;) {
    const checkpoint = view.checkpoint();
    const isEvaluated = progress.evaluations().some((evaluation) => evaluation.step === step);
    if (checkpoint?.step === step && isStop(step, train) && !isEvaluated) {
      progress.enter('evaluating');
      const began = Date.now();
      const evaluation = await evaluateCheckpoint(training, checkpoint);
      progress.evaluated(evaluation);
      reporter.progress();
      evaluateSeconds += (Date.now() - began) / 1000;
    }
    if (step >= train.steps) return { segments, evaluateSeconds };
    progress.enter('training');
    step = nextStop(step, train);
    const { worker, steps, seconds, dataSeconds } = await trainUntil(training, step);
    segments.push({ until: step, worker, steps, seconds, dataSeconds });
  }
}

/** Steps that are done already. */
function firstStep({ start }: TrainRun, view: TrainingView): number {
  return view.checkpoint()?.step ?? (start.from === 'checkpoint' ? start.step : 0);
}
