import type { V1PodTemplate } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { jobOf } from '../../activities/launch/kubernetes/job.ts';
import { type Manifest, manifestsOf, podTemplates } from './manifests.ts';

const [template] = manifestsOf('PodTemplate') as [Manifest & V1PodTemplate];
const worker = template.template!.spec!.containers[0]!;
const control = podTemplates().get('tessera-control')!.spec!.containers[0]!;

function environment({ env = [] }: typeof worker): Record<string, string | undefined> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}

describe('the workers’ PodTemplate', () => {
  it('is one that the launcher can make a Job from', () => {
    const stored = { ...template, metadata: { ...template.metadata, uid: 'uid' } };
    const fleet = {
      name: 'eval-1',
      launcher: 'kubernetes',
      workflowId: 'w',
      runId: '1',
      taskQueue: 'q',
      workers: 2,
      device: 'cuda' as const,
      deadlineSeconds: 60,
      logs: 's3://b/logs',
    };
    const { spec } = jobOf(fleet, stored, 'default').spec!.template;
    expect(spec!.containers[0]!.resources!.limits).toMatchObject({ 'nvidia.com/gpu': '1', memory: '32Gi' });
    expect(spec!.restartPolicy).toBe('Never');
  });

  it('caches weights where it can, and says where else', () => {
    const mounts = new Map(worker.volumeMounts!.map(({ name, mountPath }) => [name, mountPath]));
    const { TESSERA_CACHE: cache, TESSERA_CACHE_FALLBACK: fallback } = environment(worker);
    expect([cache, fallback]).toEqual([mounts.get('cache'), mounts.get('scratch')]);
    expect(mounts.get('tmp')).toBe('/tmp');
    const volumes = template.template!.spec!.volumes!;
    expect(volumes.map(({ name, emptyDir }) => [name, typeof emptyDir])).toEqual([
      ['cache', 'object'],
      ['scratch', 'object'],
      ['tmp', 'object'],
    ]);
  });

  it('takes features where other workers find it, at the port that the policies name', () => {
    const host = worker.env!.find(({ name }) => name === 'TESSERA_HOST');
    expect(host?.valueFrom?.fieldRef?.fieldPath).toBe('status.podIP');
    const port = worker.ports!.find(({ name }) => name === 'features')?.containerPort;
    expect(environment(worker).TESSERA_FEATURE_PORT).toBe(String(port));
  });

  it('keeps checkpoints on their way in a volume that goes with the pod, and asks for room for the largest', () => {
    const scratch = worker.volumeMounts!.find(({ name }) => name === 'scratch');
    expect(environment(worker).TESSERA_SCRATCH).toBe(scratch?.mountPath);
    // A pod's own cache holds the 6B's weights as well.
    const gib = Number(/^(\d+)Gi$/.exec(worker.resources!.requests!['ephemeral-storage']!)?.[1]);
    expect(gib * 2 ** 30).toBeGreaterThan(12e9 + 5.8e9);
  });

  it('leaves a node that doesn’t answer after 30 s, and ends within 15 s', () => {
    const { tolerations, terminationGracePeriodSeconds } = template.template!.spec!;
    const patience = tolerations!.filter(({ effect }) => effect === 'NoExecute');
    expect(patience.map(({ key, tolerationSeconds }) => [key, tolerationSeconds])).toEqual([
      ['node.kubernetes.io/not-ready', 30],
      ['node.kubernetes.io/unreachable', 30],
    ]);
    expect(terminationGracePeriodSeconds).toBe(15);
  });
});

describe('both programs', () => {
  it.each([
    ['control worker', control, [{ secretRef: { name: 'tessera-receivers', optional: true } }]],
    // Addresses of receivers may be secrets, and are none of its business.
    ['worker', worker, []],
  ])('%s: configured alike, and probed where it listens', (_, container, ownSecrets) => {
    expect(container.envFrom).toEqual([
      { configMapRef: { name: 'tessera-config' } },
      { secretRef: { name: 'tessera-s3', optional: true } },
      { secretRef: { name: 'tessera-temporal', optional: true } },
      { secretRef: { name: 'tessera-hub', optional: true } },
      ...ownSecrets,
    ]);
    const env = environment(container);
    const ports = new Map(container.ports!.map(({ name, containerPort }) => [name, String(containerPort)]));
    expect([env.TESSERA_HEALTH_PORT, env.TESSERA_METRICS_PORT]).toEqual([
      ports.get('health'),
      ports.get('metrics'),
    ]);
    expect(container.readinessProbe!.httpGet).toEqual({ path: '/readyz', port: 'health' });
  });

  it('the control worker launches on Kubernetes', () => {
    expect(environment(control).TESSERA_LAUNCHER).toBe('kubernetes');
  });
});
