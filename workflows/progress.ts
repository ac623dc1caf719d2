import { defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import type { WorkerState } from '../activities/launch/launcher.ts';
import type { EvalRun, Progress, ShardResult } from '../core/config/eval.ts';
import { addMatrix, emptyMatrix } from '../core/metric/confusion-matrix.ts';
import { decodeMatrix } from '../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../core/metric/metrics.ts';
import type { Classified } from './failure.ts';

export const progressQuery = defineQuery<Progress>('progress');
export const fleetChanged = defineSignal<[WorkerState[]]>('fleetChanged');

export interface ProgressTracker {
  enter(phase: Progress['phase']): void;
  plan(run: EvalRun): void;
  shardDone(result: ShardResult): void;
  failed(failure: Classified): void;
}

/** Keeps what `progress` answers, and answers it. */
export function trackProgress(): ProgressTracker {
  let run: EvalRun | null = null;
  let evaluatingSince: number | null = null;
  let matrix = emptyMatrix(1);
  const results: { at: number; result: ShardResult }[] = [];
  const failures: Classified[] = [];
  let fleet: WorkerState[] = [];
  let phase: Progress['phase'] = 'planning';

  setHandler(fleetChanged, (workers) => {
    fleet = workers;
  });
  setHandler(progressQuery, () => {
    const imagesTotal = run?.imageIds.length ?? 0;
    const imagesDone = results.reduce((sum, { result }) => sum + result.images.length, 0);
    const seconds = evaluatingSince === null ? 0 : (Date.now() - evaluatingSince) / 1000;
    const imagesPerSecond = imagesDone > 0 && seconds > 0 ? imagesDone / seconds : null;
    return {
      phase,
      imagesDone,
      imagesTotal,
      imagesPerSecond,
      etaSeconds: imagesPerSecond === null ? null : (imagesTotal - imagesDone) / imagesPerSecond,
      partial: {
        mIoU: imagesDone > 0 ? matrixMetrics(matrix).mIoU : null,
        coverage: imagesTotal > 0 ? imagesDone / imagesTotal : 0,
      },
      shards: {
        done: results.length,
        total: run?.shards.length ?? 0,
        slowestSeconds: results.length > 0 ? Math.max(...results.map(({ result }) => result.seconds)) : null,
      },
      workers: perWorker(fleet, results),
      failures,
    };
  });

  return {
    enter(next) {
      phase = next;
      if (next === 'evaluating') evaluatingSince = Date.now();
    },
    plan(planned) {
      run = planned;
      matrix = emptyMatrix(planned.config.model.head.classes);
    },
    shardDone(result) {
      results.push({ at: Date.now(), result });
      addMatrix(matrix, decodeMatrix(result.matrix));
    },
    failed(failure) {
      failures.push(failure);
    },
  };
}

function perWorker(
  fleet: WorkerState[],
  results: { at: number; result: ShardResult }[],
): Progress['workers'] {
  const workers: Progress['workers'] = {};
  for (const worker of fleet) {
    const state = worker.state === 'gone' ? `gone: ${worker.cause}` : worker.state;
    workers[worker.name] = { state, images: 0, shards: 0, lastSeenSeconds: null };
  }
  for (const { at, result } of results) {
    workers[result.worker] ??= { state: 'unknown', images: 0, shards: 0, lastSeenSeconds: null };
    const worker = workers[result.worker]!;
    worker.images += result.images.length;
    worker.shards += 1;
    worker.lastSeenSeconds = (Date.now() - at) / 1000;
  }
  return workers;
}
