import { CancellationScope, log, workflowInfo } from '@temporalio/workflow';
import type { EvalInput, EvalResult, EvalRun } from '../core/config/eval.ts';
import type { FleetSpec } from '../core/config/fleet.ts';
import { listedCost } from '../core/config/listing.ts';
import { control } from './activities.ts';
import { budgetOf } from './budget.ts';
import { beforeDeadline } from './deadline.ts';
import { evaluateShards } from './evaluate-shards.ts';
import { asRunFailure, classify } from './failure.ts';
import { type FleetView, watchFleet } from './fleet-view.ts';
import { borrowedFleet, type LaunchedFleet, launchFleet, notDone } from './launch-fleet.ts';
import { type ListedRun, listRun } from './listing.ts';
import { type OnPlan, withNotice } from './notify.ts';
import { type ProgressTracker, trackProgress } from './progress.ts';
import { publishInput } from './publish-input.ts';
import { reduceShards } from './reduce.ts';

/**
 * Evaluates one checkpoint on one dataset and publishes one exact mIoU.
 *
 * @param host the fleet of another run, whose part this one is: its workers are used, none are launched
 */
export function EvalMIoU(input: EvalInput, host?: FleetSpec): Promise<EvalResult> {
  // A part of another run is reported by that run.
  return host
    ? evalMIoU(input, host)
    : withNotice('EvalMIoU', input, (onPlan) => evalMIoU(input, undefined, onPlan));
}

async function evalMIoU(input: EvalInput, host?: FleetSpec, onPlan?: OnPlan): Promise<EvalResult> {
  const fleet = watchFleet();
  const progress = trackProgress(fleet);
  const listed = listRun();
  try {
    const plan = await (host ? control.planEval(input, host) : control.planEval(input));
    listed.planned(plan.listing);
    if (plan.kind === 'finished') {
      listed.done({ mIoU: plan.result.mIoU, resultsUri: plan.result.resultsUri });
      return plan.result;
    }
    progress.plan(plan.run);
    onPlan?.(plan.run);
    const planned = Date.now();
    const launched = host ? borrowedFleet() : launchFleet(plan.run.fleet);
    return await evaluate(plan.run, input, { fleet, launched, progress, planned, listed });
  } catch (error) {
    listed.failed(error);
    throw asRunFailure(error);
  }
}

interface Surroundings {
  fleet: FleetView;
  launched: LaunchedFleet;
  progress: ProgressTracker;
  /** When the plan was made, on the workflow's clock. */
  planned: number;
  listed: ListedRun;
}

async function evaluate(
  run: EvalRun,
  input: EvalInput,
  { fleet, launched, progress, planned, listed }: Surroundings,
): Promise<EvalResult> {
  try {
    progress.enter('evaluating');
    const work = () =>
      Promise.race([evaluateShards(run, fleet, progress, budgetOf(run, planned, fleet)), launched.failed]);
    const shards = await beforeDeadline(run.deadlineSeconds * 1000, work, () => notDone(fleet));
    // As they are now: that they go from here on is no news.
    const { workers } = fleet.state();
    const times = { started: workflowInfo().startTime.getTime(), planned, evaluated: Date.now() };
    // GPUs first; but the results need not wait until the last pod is gone.
    const ended = launched.end();
    progress.enter('publishing');
    const reduced = reduceShards(run, shards);
    const request = publishInput(run, input, reduced, shards, workers, times);
    const { metrics, partial, resultsUri, reportUri } = await control.publishResults(request);
    await ended;
    progress.enter('done');
    const share = partial ? { partial: partial.images / partial.ofImages } : {};
    listed.done({ mIoU: metrics.mIoU, ...share, cost: listedCost(request.cost), resultsUri });
    const { images } = reduced.coverage;
    return { ...metrics, images, resultsUri, reportUri, ...(partial ? { partial } : {}) };
  } catch (error) {
    await launched.end();
    await CancellationScope.nonCancellable(() => discard(run.prefix));
    throw error;
  }
}

/** What can't be removed stays: why the run failed is more important. */
async function discard(prefix: string): Promise<void> {
  try {
    await control.discardUnpublished(prefix);
  } catch (error) {
    log.warn(`${prefix}: what workers wrote there could not be removed: ${classify(error).message}`);
  }
}
