import { createHash } from 'node:crypto';
import type { TrackedRun } from '../../core/config/report.ts';
import { readResults } from '../../core/read-results.ts';
import { flatParameters } from '../../core/report/parameters.ts';
import { evaluationScalars, type Scalars, trainingScalars } from '../../core/report/scalars.ts';
import type { Store } from '../../core/store.ts';
import { bestOf, evaluationsOf, type LogLine, readLog } from '../../core/train/train-log.ts';
import { type Metric, type MlflowRun, type MlflowServer, mlflowServer, type Pair } from './mlflow-server.ts';

/** By this tag a run is found again, so that no try makes a second one. */
const IDENTITY = 'tessera.identity';
/** The latest step whose figures are there. */
const LOGGED = 'tessera.logged_step';
const STATUS = { running: 'RUNNING', done: 'FINISHED', failed: 'FAILED', cancelled: 'KILLED' } as const;

/** The server's own limits, of versions since 2.8. */
const MAX_METRICS = 1000;
const MAX_PAIRS = 100;
const MAX_PARAM = 500;
const MAX_TAG = 4_000;

/**
 * Brings a run at an MLflow server to what is known of it now. Safe to repeat: what is there is left as it is.
 *
 * @throws BadInput if the server refuses, Unavailable if it may take it later
 */
export async function reportRun(store: Store, run: TrackedRun, env: NodeJS.ProcessEnv): Promise<void> {
  const settings = run.config.run.report?.mlflow;
  if (!settings) return;
  const server = mlflowServer(settings, env);
  const log = run.type === 'EvalMIoU' ? [] : await readLog(store, run.prefix);
  const there = await openRun(server, run, log);
  const id = there.info.run_id;
  await sendParameters(server, there, run);
  await sendFigures(server, there, await figuresOf(store, run, log));
  await server.logBatch(id, { tags: tagsOf(run) });
  const end = run.state === 'running' ? {} : { end_time: Math.round(run.atMs) };
  await server.updateRun({ run_id: id, status: STATUS[run.state], ...end });
}

async function openRun(server: MlflowServer, run: TrackedRun, log: LogLine[]): Promise<MlflowRun> {
  const settings = run.config.run.report!.mlflow!;
  const experiment = await server.experiment(settings.experiment);
  const tag = { key: IDENTITY, value: identityOf(run, log) };
  return (
    (await server.findRun(experiment, tag)) ??
    (await server.createRun({
      experiment_id: experiment,
      run_name: settings.runName ?? run.workflowId,
      start_time: Math.round(run.startedAtMs),
      tags: [
        tag,
        { key: 'mlflow.source.name', value: 'tessera' },
        { key: 'mlflow.source.type', value: 'JOB' },
      ],
    }))
  );
}

/** A training that resumes keeps its run; without a log it has none yet. */
function identityOf({ runId, prefix }: TrackedRun, log: LogLine[]): string {
  const started = log[0]?.started_at;
  const identity = typeof started === 'string' ? `${prefix} ${started}` : runId;
  return createHash('sha256').update(identity).digest('hex');
}

/** A parameter can't be changed: of a training that resumes with another config the first one's stay. */
async function sendParameters(
  server: MlflowServer,
  { info, data }: MlflowRun,
  { config }: TrackedRun,
): Promise<void> {
  const known = new Set(data.params.map(({ key }) => key));
  const params = Object.entries(flatParameters(config))
    .map(([name, value]): Pair => ({ key: nameOf(name), value: cut(String(value), MAX_PARAM) }))
    .filter(({ key }) => !known.has(key));
  for (const some of batches(params, MAX_PAIRS)) await server.logBatch(info.run_id, { params: some });
}

async function figuresOf(store: Store, run: TrackedRun, log: LogLine[]): Promise<Scalars[]> {
  if (run.type === 'EvalMIoU')
    return run.resultsUri ? [evaluationScalars(await readResults(store, run.resultsUri))] : [];
  const scalars = trainingScalars(log, run.config.train?.batch ?? 1);
  const best = run.state === 'done' ? bestOf(evaluationsOf(log)) : null;
  const { seconds = 0 } = scalars.at(-1) ?? {};
  return best?.mIoU
    ? [...scalars, { step: best.step, seconds, values: { 'best/mIoU': best.mIoU } }]
    : scalars;
}

/** What isn't there yet, and the step where that begins: its evaluation comes later. The server knows the same value again. */
async function sendFigures(
  server: MlflowServer,
  { info, data }: MlflowRun,
  figures: Scalars[],
): Promise<void> {
  const logged = Number(data.tags.find(({ key }) => key === LOGGED)?.value ?? -1);
  const isNew = ({ step, values }: Scalars) => step >= logged || 'best/mIoU' in values;
  const metrics = figures.filter(isNew).flatMap(({ step, seconds, values }) =>
    Object.entries(values)
      .filter(([, value]) => Number.isFinite(value))
      .map(
        ([name, value]): Metric => ({
          key: nameOf(name),
          value,
          step,
          timestamp: Math.round(1000 * seconds),
        }),
      ),
  );
  for (const some of batches(metrics, MAX_METRICS)) await server.logBatch(info.run_id, { metrics: some });
  const last = Math.max(logged, ...figures.map(({ step }) => step));
  if (last > logged) await server.logBatch(info.run_id, { tags: [{ key: LOGGED, value: String(last) }] });
}

function tagsOf({
  type,
  workflowId,
  runId,
  prefix,
  codeVersion,
  labels,
  resultsUri,
  failure,
}: TrackedRun): Pair[] {
  const tags = {
    'tessera.type': type,
    'tessera.workflow_id': workflowId,
    'tessera.run_id': runId,
    'tessera.folder': prefix,
    'tessera.code_version': codeVersion,
    ...(resultsUri ? { 'tessera.results': resultsUri } : {}),
    // A run that went well after all no longer has one.
    'tessera.failure': failure ? `${failure.class}: ${failure.message}` : '',
    ...Object.fromEntries(
      Object.entries(labels ?? {}).map(([key, value]) => [`tessera.label.${key}`, value]),
    ),
  };
  return Object.entries(tags).map(([key, value]) => ({ key, value: cut(value, MAX_TAG) }));
}

/** A name that the server takes; class names may hold commas. */
function nameOf(name: string): string {
  return name.replaceAll(/[^\p{L}\p{N}_./ -]/gu, '_').slice(0, 250);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function batches<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
