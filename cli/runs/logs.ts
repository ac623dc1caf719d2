import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowExecutionDescription } from '@temporalio/client';
import { z } from 'zod';
import { openCluster } from '../../activities/launch/kubernetes/cluster.ts';
import { runPrefix } from '../../activities/plan/run-prefix.ts';
import { BadInput, TypedFailure } from '../../core/config/failures.ts';
import type { LogLine } from '../../core/log-lines.ts';
import { stateFolder } from '../../workers/environment.ts';
import { openStore } from '../session.ts';
import { inputOf } from './history.ts';
import { fileSources, isWorker, keptSources, type LogSource, podSources } from './log-sources.ts';
import { describeRun } from './read-run.ts';
import { stateOf } from './run-row.ts';
import { openTemporal, type Temporal } from './temporal.ts';
import { shortName } from './worker-name.ts';

export interface LogsOptions {
  worker?: string;
  follow?: true;
  json?: true;
}

/** A line of `tessera logs ID --json`. */
export const LogLineSchema = z.strictObject({
  time: z.iso.datetime().nullable(),
  worker: z.string(),
  line: z.string(),
});

const LOOK_EVERY_MS = 1_000;
const NO_TIME = '        ';

/**
 * `tessera logs ID`: what workers said, by time; of local ones from their files, of pods from the cluster, and what S3
 * keeps of pods that are gone.
 *
 * @throws BadInput if there is nothing, with where it was looked for
 */
export async function logs(id: string, options: LogsOptions): Promise<void> {
  await using temporal = await openTemporal();
  const described = await describeRun(temporal, id);
  const runs = await runsOf(temporal, described);
  const printed = new Map<string, number>();
  const looked: string[] = [];
  for (;;) {
    const isOver = !options.follow || !(await isRunning(temporal, id, described.runId));
    const all = await sourcesOf(temporal, described, runs, looked);
    const sources = all.filter(({ worker }) => !options.worker || isWorker(worker, options.worker));
    await printNews(sources, printed, options);
    if (isOver) return complain(id, all, sources, options, looked);
    await sleep(LOOK_EVERY_MS);
  }
}

async function printNews(
  sources: LogSource[],
  printed: Map<string, number>,
  { json }: LogsOptions,
): Promise<void> {
  const news = await Promise.all(
    sources.map(async ({ worker, read }) => {
      const lines = await read();
      const fresh = lines.slice(printed.get(worker) ?? 0);
      printed.set(worker, Math.max(lines.length, printed.get(worker) ?? 0));
      return fresh.map((line) => ({ ...line, worker: shortName(worker) }));
    }),
  );
  const inOrder = news.flat().sort((a, b) => (a.time ?? '').localeCompare(b.time ?? ''));
  for (const line of inOrder) console.log(json ? JSON.stringify(lineJson(line)) : lineText(line));
}

function lineJson({ time, worker, line }: LogLine & { worker: string }): z.infer<typeof LogLineSchema> {
  return { time, worker, line };
}

function lineText({ time, worker, line }: LogLine & { worker: string }): string {
  return `${time?.slice(11, 19) ?? NO_TIME} ${worker}  ${line}`;
}

/** @throws BadInput if nothing was printed */
function complain(
  id: string,
  all: LogSource[],
  sources: LogSource[],
  { worker }: LogsOptions,
  looked: string[],
): void {
  if (sources.length > 0) return;
  if (all.length > 0)
    throw new BadInput(
      `${id} has no worker ${worker}; its workers are ${all.map((one) => shortName(one.worker)).join(', ')}`,
    );
  throw new BadInput(
    `there are no logs of ${id}'s workers. Looked for in: ${[...new Set(looked)].join('; ')}`,
  );
}

async function isRunning({ client }: Temporal, id: string, runId: string): Promise<boolean> {
  return stateOf((await client.workflow.getHandle(id, runId).describe()).status.name) === 'running';
}

/** Runs whose workers worked for this one: its own; a table's rows'; of a part, those of the run that it is a part of. */
async function runsOf({ client }: Temporal, run: WorkflowExecutionDescription): Promise<string[]> {
  const runIds = [run.runId];
  if (run.type === 'EvalMIoU' && run.parentExecution?.runId) runIds.push(run.parentExecution.runId);
  if (run.type === 'ReproduceTable') {
    const query = `ParentWorkflowId = '${run.workflowId.replaceAll("'", "''")}'`;
    for await (const { runId, parentExecution } of client.workflow.list({ query }))
      if (parentExecution?.runId === run.runId) runIds.push(runId);
  }
  return runIds;
}

/** The first place that has any: files and pods are whole, S3 keeps ends. */
async function sourcesOf(
  temporal: Temporal,
  run: WorkflowExecutionDescription,
  runIds: string[],
  looked: string[],
): Promise<LogSource[]> {
  const folder = path.join(stateFolder(), 'logs');
  looked.push(folder);
  const files = await fileSources(folder, runIds);
  if (files.length > 0) return files;
  const pods = await inWords(looked, 'pods', () => podSources(openCluster(), runIds));
  const kept = await inWords(looked, 'S3', () => keptLogs(temporal, run));
  // What S3 kept of a pod that is still there, the pod has whole.
  return [...pods, ...kept.filter(({ worker }) => !pods.some((pod) => pod.worker === worker))];
}

async function keptLogs({ client }: Temporal, run: WorkflowExecutionDescription): Promise<LogSource[]> {
  const { output, recompute = false } = (await inputOf(client, run)) as {
    output?: string;
    recompute?: boolean;
  };
  if (!output) return [];
  const { store } = await openStore();
  return keptSources(store, runPrefix({ output, recompute }, run));
}

/** A place that can't be asked has no logs; why is said if nowhere are any. */
async function inWords(
  looked: string[],
  place: string,
  find: () => Promise<LogSource[]>,
): Promise<LogSource[]> {
  try {
    const found = await find();
    looked.push(place);
    return found;
  } catch (error) {
    if (!(error instanceof TypedFailure)) throw error;
    looked.push(`${place}: ${error.message}`);
    return [];
  }
}
