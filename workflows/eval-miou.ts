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
  const planned = Date.now();
  const launched = launchFleet(run);
  try {
    progress.enter('evaluating');
    const work = () => Promise.race([evaluateShards(run, fleet, progress), launched.failed]);
    const shards = await beforeDeadline(run, fleet, work);
    // As they are now: that they go from here on is no news.
    const { workers } = fleet.state();
    const times = { started: workflowInfo().startTime.getTime(), planned, evaluated: Date.now() };
    // GPUs first; but the results need not wait until the last pod is gone.
    const ended = launched.end();
    progress.enter('publishing');
    const request = publishInput(run, input, reduceShards(run, shards), shards, workers, times);
    const { metrics, resultsUri, reportUri } = await control.publishResults(request);
    await ended;
    progress.enter('done');
    return { ...metrics, images: run.imageIds.length, resultsUri, reportUri };
  } catch (error) {
    await launched.end();
    await CancellationScope.nonCancellable(() => control.discardUnpublished(run.prefix));
    throw error;
  }
}

/** A run's workers, as they are kept. */
interface LaunchedFleet {
  /** Never resolves; rejects if they can't be kept alive. */
  failed: Promise<never>;
  /** Ends them, whatever becomes of the run; never rejects, since what it can't end others will (docs/decisions/0009). */
  end(): Promise<void>;
}

function launchFleet({ fleet }: EvalRun): LaunchedFleet {
  const keeper = new CancellationScope();
  const kept = keeper.run(() => fleetActivities(fleet).keepFleet(fleet));
  const forever = new Promise<never>(() => {});
  // The keeper ends in a cancellation at the latest; only a failure of its own is news.
  const failed = kept.then(
    () => forever,
    (error) => (isCancellation(error) ? forever : Promise.reject(error)),
  );
  failed.catch(() => {});
  let ended: Promise<void> | null = null;
  return {
    failed,
    end() {
      ended ??= CancellationScope.nonCancellable(async () => {
        // One after the other: a keeper at work would launch anew what is being torn down.
        keeper.cancel();
        await kept.catch(() => {});
        await control.tearDown(fleet).catch(() => {});
      });
      return ended;
    },
  };
}

/** If the deadline passes, the work is given up. @throws Unavailable then, with what held the workers back */
async function beforeDeadline<T>(run: EvalRun, fleet: FleetView, work: () => Promise<T>): Promise<T> {
  try {
    return await CancellationScope.withTimeout(run.deadlineSeconds * 1000, work);
  } catch (error) {
    if (isCancellation(error) && !CancellationScope.current().consideredCancelled)
      throw new Unavailable(
        `the deadline of ${run.deadlineSeconds / 60} minutes passed before the run was done${why(fleet)}`,
      );
    throw error;
  }
}

/** What held workers back, if something did. */
function why(fleet: FleetView): string {
  const text = fleetText(fleet.state());
  return text ? `: ${text}` : '';
}
