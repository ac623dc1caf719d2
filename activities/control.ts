import path from 'node:path';
import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { EvalInput, Plan } from '../core/config/eval.ts';
import { BadInput, Unavailable } from '../core/config/failures.ts';
import type { FleetChange, FleetSpec, WorkerState } from '../core/config/fleet.ts';
import { type Listing, listedInput } from '../core/config/listing.ts';
import type { RunEnd } from '../core/config/notify.ts';
import type { TrackedRun } from '../core/config/report.ts';
import { sendSignal } from '../core/config/run-messages.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import type { TableInput, TablePlan, TableResult } from '../core/config/table.ts';
import type { TrainInput, TrainPlan, TrainResult, TrainRun } from '../core/config/train-run.ts';
import type { Evaluation } from '../core/train/train-log.ts';
import { asActivity, type Beat } from './as-activity.ts';
import { fetchHubCheckpoint } from './deliver/fetch-hub-weights.ts';
import type { Hub } from './hub/hub.ts';
import { isRunOpen } from './is-run-open.ts';
import { isSearchable } from './is-searchable.ts';
import { keepFleet } from './launch/keep-fleet.ts';
import type { Launcher } from './launch/launcher.ts';
import { reportRun } from './mlflow/report-run.ts';
import { notify } from './notify/notify.ts';
import { type PlanContext, planEval } from './plan/plan-eval.ts';
import { planTable } from './plan/plan-table.ts';
import { planTrain } from './plan/plan-train.ts';
import { discardUnpublished } from './publish/discard-unpublished.ts';
import { createPublish, type Published, type PublishInput } from './publish/publish-results.ts';
import { publishTraining, type TrainOutcome } from './publish/publish-training.ts';
import { publishTable, type TableOutcome } from './publish/table/publish-table.ts';
import { discardAbandoned } from './stage/partial-file.ts';
import type { CopyObject } from './stage/s3-copy.ts';
import { stageDataset } from './stage/stage-dataset.ts';
import { stageWeights } from './stage/stage-weights.ts';
import type { WeightsHub } from './stage/weights-source.ts';
import { recordEvaluation } from './train/record-evaluation.ts';

/** Dead workers that a keeper hands to its successor. */
const MAX_REMEMBERED = 100;

export interface ControlContext extends PlanContext {
  launchers: Record<string, Launcher>;
  hub: Hub;
  /** For partial downloads of weights, which survive a kill here. */
  scratchFolder: string;
  copyObject: CopyObject;
  /** For partial downloads from the Hub, likewise. */
  hubFolder: string;
  /** Hears what has changed of each fleet, as its run does. */
  onFleetChange?: ((changes: WorkerState[]) => void) | undefined;
}

/** The control worker's activities: whatever touches the world without a GPU. */
export function controlActivities(context: ControlContext) {
  const { store, scratchFolder, copyObject, hub, hubFolder } = context;
  const weightsHub: WeightsHub = {
    open: hub.open,
    async fetch(checkpoint, options) {
      await discardAbandoned(path.join(hubFolder, 'objects'));
      return fetchHubCheckpoint(checkpoint, hubFolder, options);
    },
  };
  const publish = createPublish(store);
  const launcherOf = (fleet: FleetSpec): Launcher => {
    const launcher = context.launchers[fleet.launcher];
    if (!launcher)
      throw new BadInput(`launcher '${fleet.launcher}' is not one of ${Object.keys(context.launchers)}`);
    return launcher;
  };

  return {
    /** @param host the fleet that the run works on, if it is a part of another one */
    planEval(request: EvalInput, host: FleetSpec | null = null): Promise<Plan> {
      const { workflowExecution, taskQueue } = Context.current().info;
      return planned(request, () => planEval(context, request, { ...workflowExecution!, taskQueue }, host));
    },

    planTrain(request: TrainInput): Promise<TrainPlan> {
      const { workflowExecution, taskQueue } = Context.current().info;
      return planned(request, () => planTrain(context, request, { ...workflowExecution!, taskQueue }));
    },

    /** Runs as long as the run does; returns only when cancelled. */
    keepFleet(fleet: FleetSpec): Promise<void> {
      const { client, info } = Context.current();
      const keep = (beat: Beat) =>
        keepFleet(launcherOf(fleet), fleet, {
          signal: beat.signal,
          known: (info.heartbeatDetails as WorkerState[] | undefined) ?? [],
          // Pods outlive a control worker that goes: the next one keeps them.
          isOver: async () =>
            beat.stopReason() === 'run-cancelled' ||
            (beat.stopReason() === 'attempt-over' && !(await isRunOpen(client, fleet))),
          onChange: async (changes, all) => {
            beat.heartbeat(all.workers.filter(({ state }) => state === 'gone').slice(-MAX_REMEMBERED));
            await reportChanges(client, fleet, changes);
            context.onFleetChange?.(changes.workers);
          },
        });
      return asActivity(keep, { endsBySignal: true });
    },

    tearDown(fleet: FleetSpec): Promise<void> {
      return asActivity(() => launcherOf(fleet).tearDown(fleet));
    },

    publishResults(input: PublishInput): Promise<Published> {
      return asActivity(() => publish.publishResults(input));
    },

    recordEvaluation(run: TrainRun, evaluation: Evaluation): Promise<void> {
      return asActivity(() => recordEvaluation(store, run, evaluation));
    },

    publishTraining(outcome: TrainOutcome): Promise<TrainResult> {
      return asActivity(() => publishTraining(store, outcome, Date.now()));
    },

    planTable(request: TableInput): Promise<TablePlan> {
      const { workflowExecution } = Context.current().info;
      return planned(request, () => planTable(context, request, workflowExecution!));
    },

    publishTable(outcome: TableOutcome): Promise<TableResult> {
      return asActivity(() => publishTable(store, outcome, Date.now()));
    },

    notify(end: RunEnd): Promise<void> {
      return asActivity(() => notify(end, process.env));
    },

    /** Brings a run at a tracking server to what is known of it now. */
    reportRun(run: TrackedRun): Promise<void> {
      return asActivity(() => reportRun(store, run, process.env));
    },

    discardUnpublished(prefix: string): Promise<void> {
      return asActivity(() => discardUnpublished(store, prefix));
    },

    stageDataset(request: StageDatasetInput): Promise<Staged> {
      return asActivity(({ signal, heartbeat }) =>
        stageDataset(store, request, { signal, onProgress: (done, total) => heartbeat({ done, total }) }),
      );
    },

    stageWeights(request: StageWeightsInput): Promise<Staged> {
      return asActivity(({ signal, heartbeat }) =>
        stageWeights(store, request, {
          signal,
          scratchFolder,
          copyObject,
          hub: weightsHub,
          onProgress: (done, total) => heartbeat({ done, total }),
        }),
      );
    },
  };
}

/** A plan, with what lists of runs show of it. */
function planned<P extends object>(
  request: Parameters<typeof listedInput>[0],
  plan: () => Promise<P>,
): Promise<P & { listing: Listing }> {
  const { client } = Context.current();
  return asActivity(async () => {
    const [made, searchable] = await Promise.all([plan(), isSearchable(client)]);
    return { ...made, listing: { ...listedInput(request), isSearchable: searchable } };
  });
}

/** @throws Unavailable if the run can't be signalled now; WorkflowNotFoundError if it is closed */
async function reportChanges(
  client: Client,
  { workflowId, runId }: FleetSpec,
  changes: FleetChange,
): Promise<void> {
  try {
    await sendSignal(client.workflow.getHandle(workflowId, runId), 'fleetChanged', changes);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw error;
    throw new Unavailable('Temporal did not take the news of a fleet', { cause: error });
  }
}

export type ControlActivities = ReturnType<typeof controlActivities>;
