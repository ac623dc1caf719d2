import { Context } from '@temporalio/activity';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { ShardResult, ShardTask } from '../core/config/eval.ts';
import { type Signals, sendSignal } from '../core/config/run-messages.ts';
import type {
  SegmentResult,
  SegmentTask,
  ServeTask,
  TrainableConfig,
  TrainRun,
} from '../core/config/train-run.ts';
import { savedCheckpoint } from '../core/train/checkpoint-pointers.ts';
import { logSampling } from '../core/train/segments.ts';
import type { TrainRecord } from '../core/train/train-log.ts';
import { asActivity } from './as-activity.ts';
import type { ShardEvaluator } from './evaluate/evaluate-shard.ts';
import type { ServeEnd } from './train/features/serve-features.ts';
import { trainSegment } from './train/train-segment.ts';
import type { TrainingWork } from './train/training.ts';

/** A GPU worker's activities: it does one thing at a time. */
export function gpuActivities(
  evaluator: ShardEvaluator,
  training: TrainingWork,
  onTrainRecord: (config: TrainableConfig, record: TrainRecord) => void = () => {},
) {
  const { worker } = evaluator;
  return {
    evaluateShard(task: ShardTask): Promise<ShardResult> {
      return asActivity((beat) => evaluator.evaluateShard(task, beat), {
        onWorkerStop: `${worker} was told to stop in mid-shard`,
      });
    },

    /** Ends with a checkpoint at the segment's end; cancelled, with one where it was, if that can be had soon. */
    trainSegment(task: SegmentTask): Promise<SegmentResult> {
      const signal = teller(Context.current().client, task.run);
      const { attempt, run } = task;
      const isReported = logSampling(run.config.train);
      return asActivity(
        async (beat) => {
          // A GPU may not have room for both.
          await evaluator.unload();
          return trainSegment(training.segments, task, {
            ...beat,
            onReady: (address, token) => void signal('trainerReady', { attempt, worker, address, token }),
            onLog(record) {
              onTrainRecord(run.config, record);
              if (isReported(record.iter)) void signal('trainingLog', record);
            },
            onSaved: (checkpoint) => signal('checkpointSaved', savedCheckpoint(checkpoint)),
          });
        },
        { onWorkerStop: `${worker} was told to stop in mid-training`, endsBySignal: true },
      );
    },

    /** Brings features to a trainer until it has enough, or is gone. */
    serveFeatures(task: ServeTask): Promise<ServeEnd> {
      return asActivity(
        async (beat) => {
          beat.heartbeat({ worker });
          await evaluator.unload();
          return training.serve(task, beat.signal);
        },
        { onWorkerStop: `${worker} was told to stop while it brought features`, endsBySignal: true },
      );
    },
  };
}

/** Sends signals to a run in order. One that can't be sent now is left out: the segment's result says what counts. */
function teller(client: Client, { workflowId, runId }: TrainRun) {
  const handle = client.workflow.getHandle(workflowId, runId);
  let last: Promise<void> = Promise.resolve();
  return <Name extends keyof Signals>(signal: Name, content: Signals[Name]): Promise<void> => {
    last = last.then(() =>
      sendSignal(handle, signal, content).catch((error: unknown) => {
        if (!(error instanceof WorkflowNotFoundError)) console.error(`${signal} could not be told:`, error);
      }),
    );
    return last;
  };
}

export type GpuActivities = ReturnType<typeof gpuActivities>;
