import { expect, test } from 'vitest';
import { jobOf } from '../../../../activities/launch/kubernetes/job.ts';
import { fleet, template } from './pods.ts';

const job = jobOf(fleet, template, 'default');
const worker = job.spec!.template.spec!.containers[1]!;

test('the Job is the run’s: its name, labels, size and queue', () => {
  expect(job.metadata).toMatchObject({
    name: 'eval-r1',
    labels: { 'tessera.dev/run-id': 'r1', 'app.kubernetes.io/managed-by': 'tessera' },
    annotations: { 'tessera.dev/workflow-id': 'my run', 'tessera.dev/temporal-namespace': 'default' },
  });
  expect(job.spec).toMatchObject({ completionMode: 'Indexed', completions: 3, parallelism: 3 });
  const env = new Map(worker.env!.map((variable) => [variable.name, variable]));
  expect(env.get('TESSERA_TASK_QUEUE')?.value).toBe('tessera-r1');
  expect(env.get('TESSERA_RUN_ID')?.value).toBe('r1');
  expect(env.get('TESSERA_WORKER')?.valueFrom?.fieldRef?.fieldPath).toBe('metadata.name');
});

test('what the template’s owner says stays, but for what makes the Job this run’s', () => {
  const { template: pod } = job.spec!;
  expect(pod.metadata?.labels).toMatchObject({ team: 'vision', 'tessera.dev/run-id': 'r1' });
  expect(pod.spec!.containers[0]).toEqual(template.template!.spec!.containers[0]);
  expect(worker.env!.filter(({ name }) => name === 'TESSERA_CACHE')).toEqual([
    { name: 'TESSERA_CACHE', value: '/cache' },
  ]);
  expect(worker.env!.filter(({ name }) => name === 'TESSERA_WORKER')).toHaveLength(1);
});

test('a run’s own labels go on the Job and its pods, with a prefix', () => {
  const labelled = jobOf({ ...fleet, labels: { team: 'x', 'cost.centre': '42' } }, template, 'default');
  const ours = { 'tessera.dev/label-team': 'x', 'tessera.dev/label-cost.centre': '42' };
  expect(labelled.metadata?.labels).toMatchObject(ours);
  expect(labelled.spec!.template.metadata?.labels).toMatchObject({ ...ours, team: 'vision' });
});

test('Kueue’s labels go on the Job; those by which GitOps prunes do not', () => {
  expect(job.metadata?.labels).toMatchObject({ 'kueue.x-k8s.io/queue-name': 'gpus' });
  expect(job.metadata?.labels).not.toHaveProperty('app.kubernetes.io/instance');
});

test('whoever removes the template removes the Job', () => {
  expect(job.metadata?.ownerReferences).toEqual([
    { apiVersion: 'v1', kind: 'PodTemplate', name: 'tessera-worker', uid: 'template-uid' },
  ]);
});

test('a run on CUDA asks for a GPU unless the template does; one on CPUs does not', () => {
  expect(worker.resources).toEqual({
    requests: { cpu: '4' },
    limits: { memory: '64Gi', 'nvidia.com/gpu': '1' },
  });
  const cpu = jobOf({ ...fleet, device: 'cpu' }, template, 'default').spec!.template.spec!.containers[1]!;
  expect(cpu.resources).toEqual({ requests: { cpu: '4' }, limits: { memory: '64Gi' } });
  const own = structuredClone(template);
  own.template!.spec!.containers[1]!.resources = { limits: { 'nvidia.com/gpu': '2' } };
  const asked = jobOf(fleet, own, 'default').spec!.template.spec!.containers[1]!;
  expect(asked.resources).toEqual({ limits: { 'nvidia.com/gpu': '2' } });
});

test('disruptions are not counted, and what is misconfigured ends the Job', () => {
  expect(job.spec?.podFailurePolicy?.rules.map(({ action }) => action)).toEqual(['Ignore', 'FailJob']);
  expect(job.spec?.activeDeadlineSeconds).toBeGreaterThan(fleet.deadlineSeconds);
});

test('a run of days may replace as many pods of an index each day, and those of a batch that is halved', () => {
  const limit = (days: number) =>
    jobOf({ ...fleet, deadlineSeconds: days * 86_400 }, template, 'default').spec!.backoffLimitPerIndex;
  expect([0.5, 1, 7, 30].map(limit)).toEqual([16, 16, 52, 190]);
});

test('a template without the worker’s container is refused by name', () => {
  const empty = structuredClone(template);
  empty.template!.spec!.containers.pop();
  expect(() => jobOf(fleet, empty, 'default')).toThrow(
    "PodTemplate tessera-worker: expected a container named 'worker'",
  );
});
