import { setTimeout as sleep } from 'node:timers/promises';
import { PatchStrategy, setHeaderOptions, type V1Job, type V1Pod } from '@kubernetes/client-node';
import { BadInput, Unavailable } from '../../../core/config/failures.ts';
import type { Cause, FleetSpec, FleetState, WorkerState } from '../../../core/config/fleet.ts';
import type { Store } from '../../../core/store.ts';
import type { Launcher } from '../launcher.ts';
import { ask, type Cluster, hasCode, ifThere } from './cluster.ts';
import { type Followed, follow } from './follow.ts';
import { jobOf, POD_TEMPLATE, RUN_LABEL, runSelector } from './job.ts';
import { creationFailure, jobCondition } from './job-conditions.ts';
import { type PodLogs, podLogs } from './pod-logs.ts';
import { isOver, workerState } from './pod-state.ts';

/** A pod's grace is seconds; what is still there after so long waits for a node that doesn't answer. */
const TEARDOWN_PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 500;
/** A Job's controller needs a moment; only then is a missing pod worth a question. */
const MISSING_AFTER_MS = 2_000;
const EVENTS_EVERY_MS = 3_000;

/** What this process watches of one run. The cluster holds the truth; another process begins anew. */
interface Watched {
  jobs: Followed<V1Job>;
  pods: Followed<V1Pod>;
  logs: PodLogs;
  /** Last lines of those that went, by pod. */
  lastLines: Map<string, string>;
  missingSince: number | null;
  askedEventsAt: number;
  trouble: Cause | null;
}

/**
 * Workers as the pods of an Indexed Job, one Job a run. They live on without this process: whoever comes next finds
 * them by the run's name.
 */
export function kubernetesLauncher(cluster: Cluster, store: Store, temporalNamespace: string): Launcher {
  const { namespace, batch, core } = cluster;
  const watched = new Map<string, Watched>();

  function watch(fleet: FleetSpec): Watched {
    const known = watched.get(fleet.name);
    if (known) return known;
    const labelSelector = runSelector(fleet);
    const logs = podLogs(cluster, store, fleet.logs);
    const shared = { watch: cluster.watch, labelSelector, onRequest: () => cluster.requests.count++ };
    const fresh: Watched = {
      jobs: follow<V1Job>({
        ...shared,
        path: `/apis/batch/v1/namespaces/${namespace}/jobs`,
        list: () => ask('list Jobs', batch.listNamespacedJob({ namespace, labelSelector })),
      }),
      pods: follow<V1Pod>({
        ...shared,
        path: `/api/v1/namespaces/${namespace}/pods`,
        list: () => ask('list pods', core.listNamespacedPod({ namespace, labelSelector })),
        // A pod that is taken away may be gone before anybody looks, and its log with it.
        onChange: (pod) => {
          const isGoing = pod.metadata?.deletionTimestamp && !isOver(pod);
          if (isGoing && workerState(pod).cause?.kind !== 'node-lost') logs.keep(pod.metadata!.name!);
        },
      }),
      logs,
      lastLines: new Map(),
      missingSince: null,
      askedEventsAt: 0,
      trouble: null,
    };
    watched.set(fleet.name, fresh);
    return fresh;
  }

  /** @throws BadInput in the API server's own words, from a dry run: nothing was created then */
  async function create(fleet: FleetSpec): Promise<void> {
    const template = await ask(
      `read PodTemplate ${POD_TEMPLATE} in namespace ${namespace} (is k8s/ applied?)`,
      core.readNamespacedPodTemplate({ name: POD_TEMPLATE, namespace }),
    );
    const body = jobOf(fleet, template, temporalNamespace);
    try {
      await ask(
        `accept Job ${fleet.name} of PodTemplate ${POD_TEMPLATE}`,
        batch.createNamespacedJob({ namespace, body, dryRun: 'All', fieldValidation: 'Strict' }),
      );
      await ask(`create Job ${fleet.name}`, batch.createNamespacedJob({ namespace, body }));
    } catch (error) {
      // Created by the control worker that died in mid-launch, or by a request whose answer was lost.
      if (!hasCode(error, 409)) throw error;
      await checkIsOurs(fleet);
    }
  }

  async function checkIsOurs(fleet: FleetSpec): Promise<void> {
    const request = batch.readNamespacedJob({ name: fleet.name, namespace });
    const job = await ask(`read Job ${fleet.name}`, request);
    if (job.metadata?.labels?.[RUN_LABEL] !== fleet.runId)
      throw new BadInput(
        `Job ${fleet.name} in namespace ${namespace} exists already, and is not of this run`,
      );
    if (job.metadata.deletionTimestamp) throw new Unavailable(`Job ${fleet.name} is still being deleted`);
  }

  /**
   * A pod of a lost node never ends, and its index is not replaced before it does. An Indexed Job may grow: each such
   * pod is made up for by one more index. Under Kueue a Job's size is Kueue's.
   */
  async function makeUpForLost(fleet: FleetSpec, job: V1Job, pods: V1Pod[]): Promise<void> {
    if (Object.keys(job.metadata?.labels ?? {}).some((key) => key.startsWith('kueue.x-k8s.io/'))) return;
    const stuck = pods.filter(
      (pod) =>
        pod.metadata?.deletionTimestamp &&
        workerState(pod).cause?.kind === 'node-lost' &&
        pod.status?.phase === 'Running',
    ).length;
    const wanted = fleet.workers + stuck;
    if ((job.spec?.completions ?? wanted) >= wanted) return;
    const body = { spec: { completions: wanted, parallelism: wanted } };
    const request = batch.patchNamespacedJob(
      { name: fleet.name, namespace, body },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
    await ask(`grow Job ${fleet.name} to ${wanted} pods`, request);
  }

  /** Why there are fewer pods than wanted, if that lasts and the Job's controller says so. */
  async function missingPodsCause(run: Watched, job: V1Job, pods: V1Pod[]): Promise<Cause | null> {
    const living = pods.filter((pod) => !isOver(pod) || pod.metadata?.deletionTimestamp).length;
    const now = Date.now();
    if (living >= (job.spec?.parallelism ?? 0)) run.missingSince = null;
    else run.missingSince ??= now;
    if (run.missingSince === null || now - run.missingSince < MISSING_AFTER_MS) return null;
    if (now - run.askedEventsAt < EVENTS_EVERY_MS) return run.trouble;
    run.askedEventsAt = now;
    const fieldSelector = `involvedObject.uid=${job.metadata?.uid},reason=FailedCreate`;
    const { items } = await ask('list events', core.listNamespacedEvent({ namespace, fieldSelector }));
    const newest = Math.max(
      0,
      ...pods.map(({ metadata }) => new Date(metadata!.creationTimestamp!).getTime()),
    );
    return creationFailure(items, newest);
  }

  async function withLog(run: Watched, pod: V1Pod): Promise<WorkerState> {
    const worker = workerState(pod);
    // A lost node's kubelet doesn't answer, and asking it takes as long as a request may.
    if (worker.state !== 'gone' || worker.cause?.kind === 'node-lost') return worker;
    // While it is ending it may still say something; afterwards what was read is all there is.
    if (!run.lastLines.has(worker.name) || !isOver(pod)) {
      const lines = await run.logs.keep(worker.name);
      run.lastLines.set(worker.name, lines ?? '');
    }
    const lastLines = run.lastLines.get(worker.name);
    return lastLines ? { ...worker, lastLines } : worker;
  }

  return {
    async reconcile(fleet) {
      const run = watch(fleet);
      const [job] = await run.jobs.items();
      if (job) await makeUpForLost(fleet, job, await run.pods.items());
      else await create(fleet);
    },

    async observe(fleet): Promise<FleetState> {
      const run = watch(fleet);
      const [[job], pods] = await Promise.all([run.jobs.items(), run.pods.items()]);
      const workers = await Promise.all(pods.map((pod) => withLog(run, pod)));
      run.trouble = job ? (jobCondition(job) ?? (await missingPodsCause(run, job, pods))) : null;
      return { workers, trouble: run.trouble };
    },

    async tearDown(fleet) {
      const known = watched.get(fleet.name);
      known?.jobs.stop();
      known?.pods.stop();
      watched.delete(fleet.name);
      const labelSelector = runSelector(fleet);
      const listPods = () => ask('list pods', core.listNamespacedPod({ namespace, labelSelector }));
      const logs = known?.logs ?? podLogs(cluster, store, fleet.logs);
      const { items } = await listPods();
      const answering = items.filter((pod) => workerState(pod).cause?.kind !== 'node-lost');
      await Promise.all(answering.map(({ metadata }) => logs.keep(metadata!.name!)));
      await removeJob(cluster, fleet.name);
      await waitForEnd(fleet.name, listPods);
    },
  };

  /** Until Job and pods are gone; pods that wait for a lost node are left to the cluster, which ends them with it. */
  async function waitForEnd(job: string, listPods: () => Promise<{ items: V1Pod[] }>): Promise<void> {
    const patience = Date.now() + TEARDOWN_PATIENCE_MS;
    for (;;) {
      const { items } = await listPods();
      if (items.length === 0) return;
      if (items.every((pod) => workerState(pod).cause?.kind === 'node-lost')) return;
      if (Date.now() > patience) {
        const names = items.map(({ metadata }) => metadata?.name).join(', ');
        throw new Unavailable(`Job ${job} was deleted, but its pods are still there: ${names}`);
      }
      await sleep(LOOK_EVERY_MS);
    }
  }
}

/** Deletes a Job and, with it, its pods; one that isn't there is no error. */
export async function removeJob({ batch, namespace }: Cluster, name: string): Promise<void> {
  const body = { propagationPolicy: 'Background' };
  await ask(`delete Job ${name}`, ifThere(batch.deleteNamespacedJob({ name, namespace, body })));
}
