import type { V1Container, V1EnvVar, V1Job, V1PodTemplate } from '@kubernetes/client-node';
import { BadInput } from '../../../core/config/failures.ts';
import type { FleetSpec } from '../../../core/config/fleet.ts';
import { EXIT_MISCONFIGURED } from '../../../core/config/worker-exit.ts';

/** Name of the PodTemplate that GitOps applies, and of the container in it that runs the worker. */
export const POD_TEMPLATE = 'tessera-worker';
export const CONTAINER = 'worker';
export const RUN_LABEL = 'tessera.dev/run-id';
export const WORKFLOW_ANNOTATION = 'tessera.dev/workflow-id';
export const NAMESPACE_ANNOTATION = 'tessera.dev/temporal-namespace';
/** Before the name of a label that the run was given. */
const LABEL_PREFIX = 'tessera.dev/label-';
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'tessera' };

const GPU = 'nvidia.com/gpu';
/**
 * Replacements of one index, for each day that the run may take: a Job counts all, whenever they were. The run's own
 * judgement comes first, this is for when nobody is there to judge.
 */
const REPLACEMENTS_A_DAY = 6;
/** And those for a batch that is too big: from the largest, 1,024 crops, to one. */
const HALVINGS = 10;
const DAY_SECONDS = 24 * 3_600;
/** Beyond the run's own deadline, at which its workflow removes the Job. */
const DEADLINE_MARGIN_SECONDS = 120;
const TTL_SECONDS = 300;

/** Selects everything of one run. */
export function runSelector(fleet: Pick<FleetSpec, 'runId'>): string {
  return `${RUN_LABEL}=${fleet.runId}`;
}

/**
 * The Indexed Job of a run: the cluster's PodTemplate, with what makes it this run's.
 *
 * Pods that a disruption took are replaced without being counted; one that crashed is counted for its index; one that
 * is misconfigured ends the Job, for all of them are. The PodTemplate owns the Job: whoever removes Tessera from a
 * cluster removes its Jobs.
 *
 * @throws BadInput if the template has no container of the worker's name
 */
export function jobOf(fleet: FleetSpec, podTemplate: V1PodTemplate, temporalNamespace: string): V1Job {
  const { metadata, spec } = podTemplate.template ?? {};
  const worker = spec?.containers.find(({ name }) => name === CONTAINER);
  if (!spec || !worker)
    throw new BadInput(`PodTemplate ${POD_TEMPLATE}: expected a container named '${CONTAINER}'`);
  const labels = {
    'app.kubernetes.io/name': POD_TEMPLATE,
    ...MANAGED_BY,
    [RUN_LABEL]: fleet.runId,
    ...givenLabels(fleet),
  };
  const annotations = {
    [WORKFLOW_ANNOTATION]: fleet.workflowId,
    [NAMESPACE_ANNOTATION]: temporalNamespace,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: fleet.name,
      labels: { ...kueueLabels(podTemplate), ...labels },
      annotations,
      ownerReferences: [
        { apiVersion: 'v1', kind: 'PodTemplate', name: POD_TEMPLATE, uid: podTemplate.metadata!.uid! },
      ],
    },
    spec: {
      completionMode: 'Indexed',
      completions: fleet.workers,
      parallelism: fleet.workers,
      backoffLimitPerIndex: HALVINGS + REPLACEMENTS_A_DAY * Math.ceil(fleet.deadlineSeconds / DAY_SECONDS),
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          {
            action: 'FailJob',
            onExitCodes: { containerName: CONTAINER, operator: 'In', values: [EXIT_MISCONFIGURED] },
          },
        ],
      },
      activeDeadlineSeconds: fleet.deadlineSeconds + DEADLINE_MARGIN_SECONDS,
      ttlSecondsAfterFinished: TTL_SECONDS,
      template: {
        metadata: {
          ...metadata,
          labels: { ...metadata?.labels, ...labels },
          annotations: { ...metadata?.annotations, ...annotations },
        },
        spec: {
          ...spec,
          restartPolicy: 'Never',
          containers: spec.containers.map((container) =>
            container === worker ? workerContainer(fleet, container) : container,
          ),
        },
      },
    },
  };
}

/** The run's own, such as a team's: quotas and dashboards select by them. */
function givenLabels({ labels = {} }: FleetSpec): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [LABEL_PREFIX + key, value]));
}

function workerContainer(fleet: FleetSpec, container: V1Container): V1Container {
  const ours: V1EnvVar[] = [
    { name: 'TESSERA_TASK_QUEUE', value: fleet.taskQueue },
    { name: 'TESSERA_WORKFLOW_ID', value: fleet.workflowId },
    { name: 'TESSERA_RUN_ID', value: fleet.runId },
    { name: 'TESSERA_WORKER', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ];
  const names = new Set(ours.map(({ name }) => name));
  const env = [...(container.env ?? []).filter(({ name }) => !names.has(name)), ...ours];
  const { requests, limits, ...resources } = container.resources ?? {};
  const needsGpu = fleet.device === 'cuda' && !limits?.[GPU];
  return {
    ...container,
    env,
    resources: {
      ...resources,
      ...(requests ? { requests } : {}),
      // An extended resource is requested by its limit.
      ...(limits || needsGpu ? { limits: { ...limits, ...(needsGpu ? { [GPU]: '1' } : {}) } } : {}),
    },
  };
}

/** Only Kueue's: other labels of the template may be those by which GitOps knows, and prunes, its own objects. */
function kueueLabels({ metadata }: V1PodTemplate): Record<string, string> {
  const labels = Object.entries(metadata?.labels ?? {});
  return Object.fromEntries(labels.filter(([key]) => key.startsWith('kueue.x-k8s.io/')));
}
