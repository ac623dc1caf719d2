import { metricMeter } from '@temporalio/workflow';
import type { FailureClass } from '../core/config/failures.ts';

/** Bounds are those of the worker's exporter (workers/metrics.ts). A replay counts nothing again. */
const RUN_SECONDS = 'tessera_run_seconds';

/** Counts a run that has ended, by what became of it: done, cancelled, or the class of its failure. */
export function countRun(type: string, outcome: string, seconds: number): void {
  metricMeter.createCounter('tessera_runs_total', '', 'Runs that have ended').add(1, { type, outcome });
  metricMeter.createHistogram(RUN_SECONDS, 'float', 's', 'Seconds of a run').record(seconds, { type });
}

/** Counts what went wrong with a part of a run, whether it could be mended or not. */
export function countFailure(failure: FailureClass): void {
  metricMeter
    .createCounter(
      'tessera_failures_total',
      '',
      'Failures of shards, trainings and evaluations, mended ones included',
    )
    .add(1, { class: failure });
}
