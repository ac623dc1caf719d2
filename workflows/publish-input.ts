import type { PublishInput } from '../activities/publish/publish-results.ts';
import { budgetText } from '../core/budget.ts';
import { coldStart } from '../core/cold-start.ts';
import type { EvalInput, EvalRun, ReducedRun, WorkerPhases } from '../core/config/eval.ts';
import type { WorkerState } from '../core/config/fleet.ts';
import { externalFilesOf } from '../core/model/own-onnx.ts';
import type { EvaluatedShard } from './evaluate-shards.ts';
import { reproduceEvaluation } from './reproduce-evaluation.ts';

/** Moments on the workflow's clock, ms since the epoch. */
export interface RunTimes {
  started: number;
  planned: number;
  evaluated: number;
}

/** All that the results say about a run and that the matrix doesn't. */
export function publishInput(
  run: EvalRun,
  input: EvalInput,
  reduced: ReducedRun,
  shards: EvaluatedShard[],
  workers: WorkerState[],
  times: RunTimes,
): PublishInput {
  const { config, fleet } = run;
  const externalFiles = externalFilesOf(run.ownModel);
  const results = shards.map(({ result }) => result);
  const firstStart = Math.min(...results.map(({ startedAtMs }) => startedAtMs));
  const launched = Math.min(Math.max(firstStart, times.planned), times.evaluated);
  const phases = sumPhases(results.map(({ phases }) => phases));
  const evaluateSeconds = (times.evaluated - launched) / 1000;
  const workerSeconds = ((times.evaluated - times.planned) / 1000) * fleet.workers;
  const price = config.run.pricePerWorkerHour;
  const imageMatrices = results.flatMap((result) => result.imageMatrices ?? []);
  return {
    outputPrefix: run.prefix,
    matrix: reduced.matrix,
    ...(imageMatrices.length === results.length ? { imageMatrices } : {}),
    classes: run.classes,
    overlays: run.overlays,
    reproduce: reproduceEvaluation(run, input),
    run: {
      workflowId: run.workflowId,
      runId: run.runId,
      startedAt: new Date(times.started).toISOString(),
      codeVersion: run.codeVersion,
      imageDigest: workers.find(({ image }) => image)?.image ?? run.imageDigest,
      config,
      ...(run.labels ? { labels: run.labels } : {}),
    },
    inputs: {
      weights: run.weights,
      head: run.head,
      ...(externalFiles ? { externalFiles } : {}),
      dataset: run.dataset,
      ignoredKeys: run.ignoredKeys,
    },
    coverage: reduced.coverage,
    ...(reduced.partial
      ? { partial: { ...reduced.partial, reason: `${budgetText(config.run)} was spent` } }
      : {}),
    environment: { ...shards[0]!.result.environment, launcher: fleet.launcher, workers: fleet.workers },
    timeBudget: {
      wall: {
        plan: (times.planned - times.started) / 1000,
        launch: (launched - times.planned) / 1000,
        evaluate: evaluateSeconds,
      },
      worker: phases,
      gpuSeconds: config.run.device === 'cuda' ? workerSeconds : 0,
      coldStart: coldStart(times, workers, results),
    },
    cost: {
      workerSeconds,
      pricePerWorkerHour: price,
      total: (workerSeconds / 3600) * price,
      currency: config.run.currency,
    },
    shards: reduced.shards,
    workers: workers.map(({ name, node, cause, seconds }) => ({ name, node, cause, seconds })),
  };
}

function sumPhases(phases: WorkerPhases[]): WorkerPhases {
  const sum: WorkerPhases = { start: 0, weightFetch: 0, graphBuild: 0, warmUp: 0, compute: 0, idle: 0 };
  for (const part of phases)
    for (const key of Object.keys(sum) as (keyof WorkerPhases)[]) sum[key] += part[key];
  return sum;
}
