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

/** Time limit for the end of all pods. A pod ends within seconds, unless its node does not answer. */
const TEARDOWN_PATIENCE_MS = 60_000;
const POLL_EVERY_MS = 500;
/** Time that the Job's controller gets to create a pod before the launcher asks for the reason. */
const MISSING_AFTER_MS = 2_000;
const EVENTS_EVERY_MS = 3_000;

/** This process's watches of one run. The state is in the cluster; another process starts new watches. */
interface Watched {
  jobs: Followed<V1Job>;
  pods: Followed<V1Pod>;
  logs: PodLogs;
  /** Last log lines of pods that are gone, by pod. */
  lastLines: Map<string, string>;
  missingSince: number | null;
  askedEventsAt: number;
  condition: Cause | null;
}

/**
 * Runs workers as the pods of an Indexed Job, one Job per run. They do not depend on this process: the next one finds
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
        // A deleted pod may be gone, with its log, before the next observation.
        onChange: (pod) => {
          const isGoing = pod.metadata?.deletionTimestamp && !isOver(pod);
          if (isGoing && workerState(pod).cause?.kind !== 'node-lost') logs.keep(pod.metadata!.name!);
        },
      }),
      logs,
      lastLines: new Map(),
      missingSince: null,
      askedEventsAt: 0,
      condition: null,
    };
    watched.set(fleet.name, fresh);
    return fresh;
  }

  /** @throws BadInput with the API server's message, from a dry run: nothing was created */
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
      // The Job exists: an earlier control worker created it, or the answer to an earlier request was lost.
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
   * Adds one index to the Job for each pod of a lost node: such a pod never ends, and its index is not replaced before
   * it does. Not under Kueue, which owns the Job's size.
   */
  async function replaceLost(fleet: FleetSpec, job: V1Job, pods: V1Pod[]): Promise<void> {
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

  /** Why pods are missing, by the events of the Job's controller, if they are missing for some time. */
  async function missingPodsCause(run: Watched, job: V1Job, pods: V1Pod[]): Promise<Cause | null> {
    const living = pods.filter((pod) => !isOver(pod) || pod.metadata?.deletionTimestamp).length;
    const now = Date.now();
    if (living >= (job.spec?.parallelism ?? 0)) run.missingSince = null;
    else run.missingSince ??= now;
    if (run.missingSince === null || now - run.missingSince < MISSING_AFTER_MS) return null;
    if (now - run.askedEventsAt < EVENTS_EVERY_MS) return run.condition;
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
    // A lost node's kubelet does not answer: the request would only time out.
    if (worker.state !== 'gone' || worker.cause?.kind === 'node-lost') return worker;
    // An ending pod may still write lines; after its end the log is complete.
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
      if (job) await replaceLost(fleet, job, await run.pods.items());
      else await create(fleet);
    },

    async observe(fleet): Promise<FleetState> {
      const run = watch(fleet);
      const [[job], pods] = await Promise.all([run.jobs.items(), run.pods.items()]);
      const workers = await Promise.all(pods.map((pod) => withLog(run, pod)));
      run.condition = job ? (jobCondition(job) ?? (await missingPodsCause(run, job, pods))) : null;
      return { workers, trouble: run.condition };
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

  /** Waits until Job and pods are gone, except pods of a lost node, which the cluster removes with the node. */
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
      await sleep(POLL_EVERY_MS);
    }
  }
}

/** Deletes a Job and, with it, its pods; one that isn't there is no error. */
export async function removeJob({ batch, namespace }: Cluster, name: string): Promise<void> {
  const body = { propagationPolicy: 'Background' };
  await ask(`delete Job ${name}`, ifThere(batch.deleteNamespacedJob({ name, namespace, body })));
}
