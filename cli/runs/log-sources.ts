import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ask, type Cluster } from '../../activities/launch/kubernetes/cluster.ts';
import { CONTAINER, runSelector } from '../../activities/launch/kubernetes/job.ts';
import { type LogLine, parseLogLine } from '../../core/log-lines.ts';
import { joinUri, type Store } from '../../core/store.ts';
import { shortName } from './worker-name.ts';

/** Where a worker's lines come from. */
export interface LogSource {
  worker: string;
  from: 'file' | 'pod' | 's3';
  /** Every line that there is, in order. */
  read(): Promise<LogLine[]>;
}

/** Fleets' names hold their run's id: so do the files of their workers. */
export async function fileSources(folder: string, runIds: string[]): Promise<LogSource[]> {
  const files = await readdir(folder).catch(() => []);
  return files
    .filter((file) => file.endsWith('.log') && runIds.some((id) => file.includes(`-${id}-`)))
    .map((file) => ({
      worker: path.basename(file, '.log'),
      from: 'file',
      read: async () => linesOf(await readFile(path.join(folder, file), 'utf8').catch(() => '')),
    }));
}

/** Pods of the runs that are still there. @throws BadInput, Unavailable if the cluster can't be asked */
export async function podSources({ core, namespace }: Cluster, runIds: string[]): Promise<LogSource[]> {
  const found = await Promise.all(
    runIds.map((runId) =>
      ask('list pods', core.listNamespacedPod({ namespace, labelSelector: runSelector({ runId }) })),
    ),
  );
  return found
    .flatMap(({ items }) => items)
    .map(({ metadata }) => {
      const name = metadata?.name ?? '';
      const request = { name, namespace, container: CONTAINER, timestamps: true };
      return {
        worker: name,
        from: 'pod',
        // One that has not begun has no log, which the API calls a bad request.
        read: async () =>
          linesOf(await ask(`read the log of ${name}`, core.readNamespacedPodLog(request)).catch(() => '')),
      };
    });
}

/** What was kept of workers whose own files went with them. */
export async function keptSources(store: Store, prefix: string): Promise<LogSource[]> {
  const objects = await store.list(joinUri(prefix, 'logs/'));
  return objects.map(({ uri }) => ({
    worker: path.posix.basename(uri, '.log'),
    from: 's3',
    read: async () => linesOf((await store.read(uri)).toString()),
  }));
}

/** Whether a worker is the one that `--worker` means: by its whole name, or by the part behind its fleet's. */
export function isWorker(worker: string, wanted: string): boolean {
  const short = shortName(worker);
  return worker === wanted || short === wanted || short.startsWith(`${wanted}-`);
}

function linesOf(text: string): LogLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLogLine);
}
