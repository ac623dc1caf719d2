import { BadData } from '../../core/config/failures.ts';
import type { WorkerState } from '../../core/config/fleet.ts';
import { type TrainResults, TrainResultsSchema } from '../../core/config/train-results.ts';
import type { TrainResult, TrainRun } from '../../core/config/train-run.ts';
import { readTrainResults, trainResult } from '../../core/read-train-results.ts';
import { joinUri, type Store } from '../../core/store.ts';
import {
  type Checkpoint,
  checkpointFolder,
  listCheckpoints,
  savedCheckpoint,
} from '../../core/train/checkpoint-pointers.ts';
import { bestOf, logUri, readLog, trainRecordsOf } from '../../core/train/train-log.ts';
import { checkOutput } from './check-output.ts';
import { publishOnce } from './publish-once.ts';
import { renderTraining } from './report/training/render-training.tsx';
import { resultsJsonSchema } from './results-schema.ts';

/** A training that is done: all that its results say and that doesn't lie in its folder (log, checkpoints). */
export interface TrainOutcome
  extends Pick<TrainResults, 'resumedFrom' | 'evaluations' | 'segments' | 'failures'> {
  run: TrainRun;
  workers: WorkerState[];
  /** Commands that run the same training again, for the report. */
  reproduce: string[];
  /** Moments on the workflow's clock, ms since the epoch, and the evaluations' seconds. */
  times: { started: number; planned: number; trained: number; evaluateSeconds: number };
}

/**
 * Writes a training's report, and last of all its results.json, once.
 *
 * @throws BadData if the folder lacks the last checkpoint or the best one
 */
export async function publishTraining(
  store: Store,
  outcome: TrainOutcome,
  nowMs: number,
): Promise<TrainResult> {
  const uri = joinUri(outcome.run.prefix, 'results.json');
  const { value } = await publishOnce(store, {
    uri,
    read: readTrainResults,
    make: () => writeFiles(store, outcome, nowMs, uri),
  });
  return trainResult(value, uri);
}

/** All that lies beside results.json, which says what they are. */
async function writeFiles(
  store: Store,
  outcome: TrainOutcome,
  nowMs: number,
  uri: string,
): Promise<TrainResults> {
  const { prefix } = outcome.run;
  const checkpoints = await listCheckpoints(store, checkpointFolder(prefix));
  const results = checkOutput(TrainResultsSchema, resultsOf(outcome, checkpoints, nowMs), uri);
  const records = trainRecordsOf(await readLog(store, prefix));
  const report = renderTraining({ results, records, reproduce: outcome.reproduce });
  await store.write(results.artifacts.report, Buffer.from(report), {
    contentType: 'text/html; charset=utf-8',
  });
  await store.write(results.artifacts.schema, Buffer.from(resultsJsonSchema('training')), {
    contentType: 'application/schema+json',
  });
  return results;
}

function resultsOf(outcome: TrainOutcome, checkpoints: Checkpoint[], nowMs: number): TrainResults {
  const { run, resumedFrom, evaluations, segments, failures, workers, times } = outcome;
  const { config, weights, dataset, evaluation, start, prefix } = run;
  const best = bestOf(evaluations);
  if (!best) throw new BadData(`${prefix}: a training without an evaluation`);
  const endMs = Math.max(nowMs, times.trained);
  const seconds = (endMs - times.started) / 1000;
  const plan = (times.planned - times.started) / 1000;
  const train = segments.reduce((sum, segment) => sum + segment.seconds, 0);
  const workerSeconds = ((times.trained - times.planned) / 1000) * run.fleet.workers;
  const { pricePerWorkerHour, currency } = config.run;
  return {
    version: 1,
    kind: 'training',
    run: {
      workflowId: run.workflowId,
      runId: run.runId,
      codeVersion: run.codeVersion,
      config,
      seconds,
      startedAt: new Date(times.started).toISOString(),
      finishedAt: new Date(endMs).toISOString(),
      ...(run.labels ? { labels: run.labels } : {}),
      imageDigest: workers.find(({ image }) => image)?.image ?? run.imageDigest,
    },
    inputs: { weights, dataset, evaluation, start },
    resumedFrom,
    steps: config.train.steps,
    evaluations,
    best,
    checkpoints: {
      best: savedCheckpoint(checkpointOf(best.step, checkpoints, prefix)),
      last: savedCheckpoint(checkpointOf(config.train.steps, checkpoints, prefix)),
    },
    segments,
    failures,
    workers: workers.map(({ name, node, cause, seconds }) => ({ name, node, cause, seconds })),
    timeBudget: {
      plan,
      train,
      evaluate: times.evaluateSeconds,
      other: Math.max(0, seconds - plan - train - times.evaluateSeconds),
    },
    cost: {
      workerSeconds,
      pricePerWorkerHour,
      currency,
      total: (workerSeconds / 3600) * pricePerWorkerHour,
    },
    artifacts: {
      report: joinUri(prefix, 'report.html'),
      schema: joinUri(prefix, 'results.schema.json'),
      log: logUri(prefix),
      checkpoints: `${checkpointFolder(prefix)}/`,
      evaluations: `${joinUri(prefix, 'evaluations')}/`,
    },
  };
}

/** @throws BadData if it is gone */
function checkpointOf(step: number, checkpoints: Checkpoint[], prefix: string): Checkpoint {
  const found = checkpoints.find((checkpoint) => checkpoint.step === step);
  if (!found) throw new BadData(`${checkpointFolder(prefix)}: the checkpoint of step ${step} is gone`);
  return found;
}
