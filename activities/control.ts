import { Context } from '@temporalio/activity';
import type { EvalInput, FleetSpec, Plan } from '../core/config/eval.ts';
import { BadInput } from '../core/config/failures.ts';
import type { StageDatasetInput, Staged, StageWeightsInput } from '../core/config/stage.ts';
import { asActivity } from './as-activity.ts';
import { keepFleet } from './launch/keep-fleet.ts';
import type { Launcher } from './launch/launcher.ts';
import { type PlanContext, planEval } from './plan/plan-eval.ts';
import { discardUnpublished } from './publish/discard-unpublished.ts';
import { createPublish, type Published, type PublishInput } from './publish/publish-results.ts';
import type { CopyObject } from './stage/s3-copy.ts';
import { stageDataset } from './stage/stage-dataset.ts';
import { stageWeights } from './stage/stage-weights.ts';

/** By this signal a run hears of its workers. */
export const FLEET_CHANGED = 'fleetChanged';

export interface ControlContext extends PlanContext {
  launchers: Record<string, Launcher>;
  /** For partial downloads of weights, which survive a kill here. */
  scratchFolder: string;
  copyObject: CopyObject;
}

/** The control worker's activities: whatever touches the world without a GPU. */
export function controlActivities(context: ControlContext) {
  const { store, scratchFolder, copyObject } = context;
  const publish = createPublish(store);
  const launcherOf = (fleet: FleetSpec): Launcher => {
    const launcher = context.launchers[fleet.launcher];
    if (!launcher)
      throw new BadInput(`launcher '${fleet.launcher}' is not one of ${Object.keys(context.launchers)}`);
    return launcher;
  };

  return {
    planEval(request: EvalInput): Promise<Plan> {
      const { workflowExecution, taskQueue } = Context.current().info;
      return asActivity(() => planEval(context, request, { ...workflowExecution!, taskQueue }));
    },

    /** Runs as long as the run does; returns only when cancelled. */
    keepFleet(fleet: FleetSpec): Promise<void> {
      const { client, info } = Context.current();
      const { workflowId, runId } = info.workflowExecution!;
      return asActivity((beat) =>
        keepFleet(launcherOf(fleet), fleet, {
          signal: beat.signal,
          onChange: async (workers) => {
            beat.heartbeat(workers);
            await client.workflow.getHandle(workflowId, runId).signal(FLEET_CHANGED, workers);
          },
        }),
      );
    },

    tearDown(fleet: FleetSpec): Promise<void> {
      return asActivity(() => launcherOf(fleet).tearDown(fleet));
    },

    publishResults(input: PublishInput): Promise<Published> {
      return asActivity(() => publish.publishResults(input));
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
          ...{ signal, scratchFolder, copyObject },
          onProgress: (done, total) => heartbeat({ done, total }),
        }),
      );
    },
  };
}

export type ControlActivities = ReturnType<typeof controlActivities>;
