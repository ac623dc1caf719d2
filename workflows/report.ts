import { CancellationScope, log, workflowInfo } from '@temporalio/workflow';
import type { EvalRun } from '../core/config/eval.ts';
import type { TrackedRun } from '../core/config/report.ts';
import type { TrainRun } from '../core/config/train-run.ts';
import { reports } from './activities.ts';
import { classify } from './failure.ts';

/** What is known of a run as soon as it is planned. */
export type PlannedRun = Pick<EvalRun | TrainRun, 'prefix' | 'codeVersion' | 'config' | 'labels'>;

/** Tells a tracking server of a run, if its config names one. */
export interface Reporter {
  /** How far it is. The run doesn't wait for it. */
  progress(): void;
  /** How it ended: waited for, for a limited time. */
  ended(end: Pick<TrackedRun, 'state' | 'resultsUri' | 'failure'>): Promise<void>;
}

/** One report after the other; one that can't be made is logged, and changes nothing. */
export function reporterOf(
  type: TrackedRun['type'],
  { prefix, codeVersion, config, labels }: PlannedRun,
): Reporter {
  if (!config.run.report?.mlflow) return { progress() {}, async ended() {} };
  const { workflowId, runId, startTime } = workflowInfo();
  const run = { type, workflowId, runId, prefix, codeVersion, config, ...(labels ? { labels } : {}) };
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  const report = (news: Pick<TrackedRun, 'state' | 'resultsUri' | 'failure'>) => {
    waiting++;
    last = last.then(async () => {
      waiting--;
      // The next one has all that this one would tell.
      if (waiting > 0) return;
      const tracked = { ...run, startedAtMs: startTime.getTime(), atMs: Date.now(), ...news };
      try {
        await CancellationScope.nonCancellable(() => reports.reportRun(tracked));
      } catch (error) {
        log.warn(`${workflowId} is not reported as ${news.state}: ${classify(error).message}`);
      }
    });
    return last;
  };
  return { progress: () => void report({ state: 'running' }), ended: report };
}
