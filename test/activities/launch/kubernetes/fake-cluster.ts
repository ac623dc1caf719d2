import { ApiException, type V1Job, type V1Pod } from '@kubernetes/client-node';
import type { Cluster } from '../../../../activities/launch/kubernetes/cluster.ts';
import { RUN_LABEL } from '../../../../activities/launch/kubernetes/job.ts';
import { EXIT_MISCONFIGURED } from '../../../../core/config/worker-exit.ts';
import { template } from './pods.ts';

type Listener = { selector: string; onEvent: (type: string, object: object) => void };

/** A cluster in memory, with what stands behind its API: the Jobs' controller, and a node on which every pod runs at once. */
export function fakeCluster(): {
  cluster: Cluster;
  endPod(name: string, code: number, log: string): void;
  runningPods(): string[];
} {
  const jobs = new Map<string, V1Job>();
  const pods = new Map<string, V1Pod>();
  const logs = new Map<string, string>();
  const listeners = { jobs: new Set<Listener>(), pods: new Set<Listener>() };
  let count = 0;

  const isSelected = ({ metadata }: V1Job | V1Pod, selector: string) =>
    `${RUN_LABEL}=${metadata?.labels?.[RUN_LABEL]}` === selector;
  const tell = (kind: 'jobs' | 'pods', type: string, object: V1Job | V1Pod) => {
    for (const { selector, onEvent } of listeners[kind])
      if (isSelected(object, selector)) onEvent(type, structuredClone(object));
  };
  const list = <T extends V1Job | V1Pod>(objects: Map<string, T>, selector: string) => ({
    metadata: { resourceVersion: `${count}` },
    items: structuredClone([...objects.values()].filter((object) => isSelected(object, selector))),
  });

  /** One pod for an index of a Job. */
  function createPod(job: V1Job, index: number): void {
    const name = `${job.metadata!.name}-${index}-${`${++count}`.padStart(5, '0')}`;
    const pod: V1Pod = {
      metadata: {
        name,
        uid: name,
        labels: { ...job.spec!.template.metadata!.labels, job: job.metadata!.name!, index: `${index}` },
        creationTimestamp: new Date(),
      },
      spec: { ...job.spec!.template.spec!, nodeName: 'node-1' },
      status: {
        phase: 'Running',
        containerStatuses: [
          {
            name: 'worker',
            image: '',
            imageID: '',
            ready: true,
            restartCount: 0,
            state: { running: { startedAt: new Date() } },
          },
        ],
      },
    };
    pods.set(name, pod);
    tell('pods', 'ADDED', pod);
  }

  function endPod(name: string, code: number, log: string): void {
    const pod = pods.get(name)!;
    logs.set(name, log);
    pod.status!.phase = code === 0 ? 'Succeeded' : 'Failed';
    pod.status!.containerStatuses![0]!.state = { terminated: { exitCode: code, finishedAt: new Date() } };
    tell('pods', 'MODIFIED', pod);
    const job = jobs.get(pod.metadata!.labels!.job!);
    // An index that succeeded is done; a wrong setting fails the Job.
    if (job && code !== 0 && code !== EXIT_MISCONFIGURED) createPod(job, Number(pod.metadata!.labels!.index));
  }

  const jobOf = (name: string) => jobs.get(name) ?? refuse(404, `Job ${name} does not exist`);
  const batch = {
    listNamespacedJob: async ({ labelSelector }: { labelSelector: string }) => list(jobs, labelSelector),
    readNamespacedJob: async ({ name }: { name: string }) => structuredClone(jobOf(name)),
    async createNamespacedJob({ body, dryRun }: { body: V1Job; dryRun?: string }) {
      const name = body.metadata!.name!;
      if (jobs.has(name)) refuse(409, `Job ${name} exists`);
      if (dryRun) return;
      const job = structuredClone({ ...body, metadata: { ...body.metadata, uid: `${name}-${++count}` } });
      jobs.set(name, job);
      tell('jobs', 'ADDED', job);
      for (let index = 0; index < job.spec!.completions!; index++) createPod(job, index);
    },
    async deleteNamespacedJob({ name }: { name: string }) {
      const job = jobOf(name);
      jobs.delete(name);
      tell('jobs', 'DELETED', job);
      for (const [key, pod] of [...pods])
        if (pod.metadata!.labels!.job === name && pods.delete(key)) tell('pods', 'DELETED', pod);
    },
  };
  const core = {
    readNamespacedPodTemplate: async () => template,
    listNamespacedPod: async ({ labelSelector }: { labelSelector: string }) => list(pods, labelSelector),
    listNamespacedEvent: async () => ({ items: [] }),
    readNamespacedPodLog: async ({ name }: { name: string }) => logs.get(name) ?? '',
  };
  const watch = {
    async watch(path: string, { labelSelector }: { labelSelector: string }, onEvent: Listener['onEvent']) {
      const kind = path.endsWith('/jobs') ? 'jobs' : 'pods';
      const listener = { selector: labelSelector, onEvent };
      listeners[kind].add(listener);
      return { abort: () => listeners[kind].delete(listener) };
    },
  };
  return {
    cluster: { namespace: 'tessera', batch, core, watch, requests: { count: 0 } } as unknown as Cluster,
    endPod,
    runningPods: () =>
      [...pods.values()]
        .filter(({ status }) => status!.phase === 'Running')
        .map(({ metadata }) => metadata!.name!),
  };
}

function refuse(code: number, message: string): never {
  throw new ApiException(code, message, { message }, {});
}
