import { CancellationScope, isCancellation, log, workflowInfo } from '@temporalio/workflow';
import type { Config } from '../core/config/config.ts';
import type { EvalResult } from '../core/config/eval.ts';
import type { Labels } from '../core/config/labels.ts';
import type { Notice, RunEnd } from '../core/config/notify.ts';
import type { TableResult } from '../core/config/table.ts';
import type { TrainResult } from '../core/config/train-run.ts';
import { notices } from './activities.ts';
import { classify } from './failure.ts';
import { countRun } from './metrics.ts';
import { type PlannedRun, type Reporter, reporterOf } from './report.ts';

/** The fields of an input that configure notices and reports. They are unchecked here: they may be anything. */
interface Asked {
  config?: unknown;
  overrides?: unknown;
  labels?: Labels | undefined;
  /** Of a table. */
  suite?: unknown;
  rows?: unknown;
}

/** Takes note of what the plan says: a config that is named may ask for notices and reports, too. */
export type OnPlan = (run: PlannedRun) => Reporter;

/**
 * Does a run's work, and reports its end (done, failed or cancelled) to the config's `run.notify` and `run.report`.
 * A failed notice is logged, and changes nothing. Without recipients nothing is done.
 */
export async function withNotice<T extends EvalResult | TrainResult | TableResult>(
  type: Notice['type'],
  given: Asked,
  work: (onPlan: OnPlan) => Promise<T>,
): Promise<T> {
  const input: Asked = isObject(given) ? given : {};
  let planned: PlannedRun['config'] | null = null;
  let reporter: Reporter | null = null;
  const tell = (end: Pick<Notice, 'state' | 'result' | 'failure'>) => {
    const { workflowId, runId, startTime } = workflowInfo();
    const seconds = Math.max(0, (Date.now() - startTime.getTime()) / 1000);
    countRun(type, end.failure?.class ?? end.state, seconds);
    const asked = askedOf(input, planned);
    if (asked.notify === undefined && asked.overrides.length === 0) return null;
    return told({
      asked,
      notice: {
        type,
        workflowId,
        runId,
        name: planned?.name ?? nameOf(input),
        ...(input.labels ? { labels: input.labels } : {}),
        startedAt: startTime.toISOString(),
        seconds,
        ...end,
      },
    });
  };
  const end = (news: Parameters<typeof tell>[0]) => Promise.all([tell(news), reported(reporter, news)]);
  let result: T;
  try {
    result = await work((run) => {
      planned = run.config;
      reporter = reporterOf(type === 'Train' ? type : 'EvalMIoU', run);
      return reporter;
    });
  } catch (error) {
    await end(isCancellation(error) ? { state: 'cancelled' } : { state: 'failed', failure: classify(error) });
    throw error;
  }
  await end({ state: 'done', result: resultOf(result) });
  return result;
}

/** A cancelled run sends its notice, too; the notice's failure does not change how the run ended. */
async function told(end: RunEnd): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() => notices.notify(end));
  } catch (error) {
    log.warn(`nobody was told of the end of ${end.notice.workflowId}: ${classify(error).message}`);
  }
}

function reported(
  reporter: Reporter | null,
  { state, result, failure }: Pick<Notice, 'state' | 'result' | 'failure'>,
) {
  return reporter?.ended({
    state,
    ...(result ? { resultsUri: result.resultsUri } : {}),
    ...(failure ? { failure } : {}),
  });
}

/** What is asked for is looked at in the activity; without a plan the input alone says it. */
function askedOf({ config, overrides }: Asked, planned: Pick<Config, 'run'> | null): RunEnd['asked'] {
  if (planned) return { notify: planned.run.notify, overrides: [] };
  const run = isObject(config) && isObject(config.run) ? config.run : {};
  const all = Array.isArray(overrides) ? overrides.map(String) : [];
  return { notify: run.notify, overrides: all.filter((override) => override.startsWith('run.notify')) };
}

function nameOf({ config, suite, rows }: Asked): string {
  if (config !== undefined) return String(isObject(config) ? config.name : config);
  return suite === undefined ? `table of ${Array.isArray(rows) ? rows.length : 0}` : String(suite);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function resultOf(result: EvalResult | TrainResult | TableResult): NonNullable<Notice['result']> {
  if ('tableUri' in result)
    return {
      rows: result.rows,
      failedRows: result.failed,
      resultsUri: result.tableUri,
      reportUri: result.pageUri,
    };
  if ('best' in result) return { mIoU: result.best.mIoU, steps: result.steps, resultsUri: result.resultsUri };
  const { mIoU, images, partial, resultsUri, reportUri } = result;
  return { mIoU, images, ...(partial ? { ofImages: partial.ofImages } : {}), resultsUri, reportUri };
}
