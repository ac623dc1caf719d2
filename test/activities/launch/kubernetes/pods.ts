import type { V1ContainerStatus, V1Pod, V1PodStatus, V1PodTemplate } from '@kubernetes/client-node';
import type { FleetSpec } from '../../../../core/config/fleet.ts';

export const fleet: FleetSpec = {
  name: 'eval-r1',
  launcher: 'kubernetes',
  workflowId: 'my run',
  runId: 'r1',
  taskQueue: 'tessera-r1',
  workers: 3,
  device: 'cuda',
  deadlineSeconds: 600,
  logs: 's3://tessera/runs/my-run/logs',
};

export const template: V1PodTemplate = {
  metadata: {
    name: 'tessera-worker',
    uid: 'template-uid',
    labels: { 'app.kubernetes.io/instance': 'of-gitops', 'kueue.x-k8s.io/queue-name': 'gpus' },
  },
  template: {
    metadata: { labels: { team: 'vision' } },
    spec: {
      containers: [
        { name: 'sidecar', image: 'sidecar:1' },
        {
          name: 'worker',
          image: 'tessera-worker:1',
          env: [
            { name: 'TESSERA_CACHE', value: '/cache' },
            { name: 'TESSERA_WORKER', value: 'the owner’s idea' },
          ],
          resources: { requests: { cpu: '4' }, limits: { memory: '64Gi' } },
        },
      ],
    },
  },
};

/** A pod at second 0 of its life, with what is given of its status. */
export function pod(status: V1PodStatus = {}, worker?: Partial<V1ContainerStatus>): V1Pod {
  const containerStatuses = worker
    ? [{ name: 'worker', image: '', imageID: '', ready: false, restartCount: 0, ...worker }]
    : [];
  return {
    metadata: { name: 'eval-r1-0-abcde', uid: 'u1', creationTimestamp: at(0) },
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'worker', resources: { limits: { memory: '1Gi' } } }],
    },
    status: { ...status, containerStatuses },
  };
}

export function at(seconds: number): Date {
  return new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
}
