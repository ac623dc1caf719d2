import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { EvalInput, EvalResult, EvalRun } from '../core/config/eval.ts';
import { Unavailable } from '../core/config/failures.ts';
import { fleetText } from '../core/config/fleet.ts';
import { control, fleetActivities } from './activities.ts';
import { evaluateShards } from './evaluate-shards.ts';
import { asRunFailure } from './failure.ts';
import { type FleetView, watchFleet } from './fleet-view.ts';
import { type ProgressTracker, trackProgress } from './progress.ts';
import { publishInput } from './publish-input.ts';
import { reduceShards } from './reduce.ts';

/** Evaluates one checkpoint on one dataset and publishes one exact mIoU. */
export async function EvalMIoU(input: EvalInput): Promise<EvalResult> {
  const fleet = watchFleet();
  const progress = trackProgress(fleet);
  try {
    const plan = await control.planEval(input);
    if (plan.kind === 'finished') return plan.result;
    progress.plan(plan.run);
    return await evaluate(plan.run, input, fleet, progress);
  } catch (error) {
    throw asRunFailure(error);
  }
}

async function evaluate(
  run: EvalRun,
  input: EvalInput,
  fleet: FleetView,
  progress: ProgressTracker,
): Promise<EvalResult> {
  try {
    const planned = Date.now();
    const { shards, workers } = await withFleet(run, fleet, async () => {
      progress.enter('evaluating');
      const shards = await evaluateShards(run, fleet, progress);
      // As they are now: that they go from here on is no news.
      return { shards, workers: fleet.state().workers };
    });
    progress.enter('publishing');
    const times = { started: workflowInfo().startTime.getTime(), planned, evaluated: Date.now() };
    const request = publishInput(run, input, reduceShards(run, shards), shards, workers, times);
    const { metrics, resultsUri, reportUri } = await control.publishResults(request);
    progress.enter('done');
    return { ...metrics, images: run.imageIds.length, resultsUri, reportUri };
  } catch (error) {
    await CancellationScope.nonCancellable(() => control.discardUnpublished(run.prefix));
    throw error;
  }
}

/**
 * Does the work while the run's workers live, and ends them however it ends. If they can't be kept alive,
 * or the deadline passes, the work is given up.
 */
async function withFleet<T>(run: EvalRun, fleet: FleetView, work: () => Promise<T>): Promise<T> {
  const keeper = new CancellationScope();
  const kept = keeper.run(() => fleetActivities(run.fleet).keepFleet(run.fleet));
  // The keeper ends in a cancellation at the latest; only a failure of its own is news.
  const fleetFailed = kept.then(
    () => new Promise<never>(() => {}),
    (error) => (isCancellation(error) ? new Promise<never>(() => {}) : Promise.reject(error)),
  );
  try {
    return await CancellationScope.withTimeout(run.deadlineSeconds * 1000, () =>
      Promise.race([work(), fleetFailed]),
    );
  } catch (error) {
    if (isCancellation(error) && !CancellationScope.current().consideredCancelled)
      throw new Unavailable(
        `the deadline of ${run.deadlineSeconds / 60} minutes passed before the run was done${why(fleet)}`,
      );
    throw error;
  } finally {
    await CancellationScope.nonCancellable(async () => {
      keeper.cancel();
      await Promise.all([control.tearDown(run.fleet), kept.catch(() => {})]);
    });
  }
}

/** What held workers back, if something did. */
function why(fleet: FleetView): string {
  const text = fleetText(fleet.state());
  return text ? `: ${text}` : '';
}
