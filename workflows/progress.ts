import { setCurrentDetails } from '@temporalio/workflow';
import type { EvalRun, Progress, ShardResult } from '../core/config/eval.ts';
import { causeText, type FleetState } from '../core/config/fleet.ts';
import { classesOf } from '../core/config/model-kinds.ts';
import { addMatrix, emptyMatrix } from '../core/metric/confusion-matrix.ts';
import { decodeMatrix } from '../core/metric/matrix-codec.ts';
import { matrixMetrics } from '../core/metric/metrics.ts';
import type { Classified } from './failure.ts';
import type { FleetView } from './fleet-view.ts';
import { answerProgress } from './messages.ts';
import { countFailure } from './metrics.ts';

export interface ProgressTracker {
  enter(phase: Progress['phase']): void;
  plan(run: EvalRun): void;
  shardDone(result: ShardResult): void;
  failed(failure: Classified): void;
}

/** Keeps what `progress` answers, and answers it. */
export function trackProgress(fleet: FleetView): ProgressTracker {
  let run: EvalRun | null = null;
  let evaluatingSince: number | null = null;
  let matrix = emptyMatrix(1);
  const results: { at: number; result: ShardResult }[] = [];
  const failures: Classified[] = [];
  let phase: Progress['phase'] = 'planning';

  /** What Temporal's UI shows of a run under way. */
  const tellDetails = () => {
    const total = run?.imageIds.length ?? 0;
    const done = results.reduce((sum, { result }) => sum + result.images.length, 0);
    const counted =
      total > 0 ? `: ${done} of ${total} images, ${results.length} of ${run!.shards.length} shards` : '';
    const last = failures.at(-1);
    const mended = last
      ? `\n\n${failures.length} failures so far, the last: ${last.class}: ${last.message}`
      : '';
    setCurrentDetails(`**${phase}**${counted}${mended}`);
  };
  tellDetails();

  answerProgress('EvalMIoU', () => {
    const imagesTotal = run?.imageIds.length ?? 0;
    const imagesDone = results.reduce((sum, { result }) => sum + result.images.length, 0);
    const seconds = evaluatingSince === null ? 0 : (Date.now() - evaluatingSince) / 1000;
    const imagesPerSecond = imagesDone > 0 && seconds > 0 ? imagesDone / seconds : null;
    const { workers, trouble } = fleet.state();
    // Nobody has to tell that the launch is over: it is when a worker is at work.
    const isLaunching =
      phase === 'evaluating' && results.length === 0 && !workers.some(({ state }) => state === 'running');
    return {
      phase: isLaunching ? 'launching' : phase,
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
      workers: perWorker(workers, results),
      trouble,
      failures,
    };
  });

  return {
    enter(next) {
      phase = next;
      if (next === 'evaluating') evaluatingSince = Date.now();
      tellDetails();
    },
    plan(planned) {
      run = planned;
      matrix = emptyMatrix(classesOf(planned.config.model));
    },
    shardDone(result) {
      results.push({ at: Date.now(), result });
      addMatrix(matrix, decodeMatrix(result.matrix));
      tellDetails();
    },
    failed(failure) {
      countFailure(failure.class);
      failures.push(failure);
      tellDetails();
    },
  };
}

function perWorker(
  fleet: FleetState['workers'],
  results: { at: number; result: ShardResult }[],
): Progress['workers'] {
  const workers: Progress['workers'] = {};
  for (const { name, state, cause, node } of fleet)
    workers[name] = {
      state: cause ? `${state}: ${causeText(cause)}` : state,
      ...(node ? { node } : {}),
      images: 0,
      shards: 0,
      lastSeenSeconds: null,
    };
  for (const { at, result } of results) {
    workers[result.worker] ??= { state: 'unknown', images: 0, shards: 0, lastSeenSeconds: null };
    const worker = workers[result.worker]!;
    worker.images += result.images.length;
    worker.shards += 1;
    worker.lastSeenSeconds = (Date.now() - at) / 1000;
  }
  return workers;
}
