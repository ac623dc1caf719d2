import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EvalInput } from '../../core/config/eval.ts';
import { PACKAGE } from '../../workers/environment.ts';
import {
  type ClusterTessera,
  HOST,
  jobsOf,
  leftThere,
  NAMESPACE,
  noRig,
  podsOf,
  rig,
  runningPods,
  startClusterTessera,
  untilProgress,
} from './cluster.ts';
import { eventually, kubectl, kubectlWith } from './kubectl.ts';

/*
 * Everything that goes wrong here really does: processes are killed, nodes lost, servers away. What each costs is
 * bounded by what its cause demands.
 */
interface Digests {
  matrix: string;
  predictions: string;
}

let tessera: ClusterTessera;
let expected: Digests;
/** Slow enough to be disturbed: every crop on its own, and every image in many views. */
const slowly = (...ratios: number[]) => [
  'run.shards=12',
  'run.workers=2',
  'run.batch=1',
  `pipeline.augmentation=${JSON.stringify({ ratios, flip: true })}`,
];
const slow = slowly(1, 1.5, 2, 2.5, 3);
/** A minute and more. */
const slower = slowly(1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5);

beforeAll(async () => {
  tessera = await startClusterTessera({ images: 36 });
  await tessera.run('undisturbed', tessera.input({ overrides: slow }));
  expected = await digests('undisturbed');
});
afterAll(() => tessera?.[Symbol.asyncDispose]());
afterEach(() => eventually('nothing is left there', async () => (await leftThere()).length === 0));

async function digests(id: string): Promise<Digests> {
  const { confusionMatrix, coverage } = await tessera.results(id);
  return { matrix: confusionMatrix.sha256, predictions: coverage.predictionsSha256 };
}

/** Starts a run and waits until it is in the middle. */
async function inTheMiddle(id: string, changes: Partial<EvalInput> = {}): Promise<WorkflowHandle> {
  const handle = await tessera.start(id, tessera.input({ overrides: slow, ...changes }));
  await untilProgress(handle, 'two shards are done', ({ shards }) => shards.done > 1);
  return handle;
}

/** A pod that has just begun a shard of several seconds: it has done one, and others are left. */
async function atWorkOnALongShard(id: string): Promise<{ handle: WorkflowHandle; victim: string }> {
  const handle = await tessera.start(id, tessera.input({ overrides: [...slow, 'run.shards=4'] }));
  const { workers } = await untilProgress(handle, 'a shard is done', ({ shards }) => shards.done > 0);
  const [victim] = Object.keys(workers).filter((name) => workers[name]!.shards > 0);
  return { handle, victim: victim! };
}

/** The same numbers as without a disturbance; and what the results say of workers that went. */
async function sameResult(handle: WorkflowHandle, as = expected) {
  await handle.result().catch(({ cause }) => {
    throw cause; // Its own words, rather than that it failed.
  });
  // When the API server comes back, nodes that it heard nothing of for 40 s are taken for lost, and what runs on them,
  // as S3 does, leaves its Service for a moment.
  const there = await eventually('its results can be read', () => digests(handle.workflowId));
  expect(there).toEqual(as);
  const { workers, shards } = await tessera.results(handle.workflowId);
  return {
    causes: workers.flatMap(({ cause }) => cause?.kind ?? []),
    failures: shards.flatMap(({ failures }) => failures),
  };
}

/** How a run fails: in whose words, and after how many seconds. */
async function failure(id: string, changes: Partial<EvalInput> = {}) {
  const began = performance.now();
  const handle = await tessera.start(id, tessera.input({ overrides: slow, ...changes }));
  const { cause } = (await handle.result().catch((error) => error)) as { cause: Error & { type: string } };
  const published = await tessera.store.list(`s3://tessera/runs/${id}/`);
  expect(published.filter(({ uri }) => !uri.includes('/logs/'))).toEqual([]);
  return { type: cause.type, message: cause.message, seconds: (performance.now() - began) / 1000 };
}

/** What the command says. */
async function leftovers(...args: string[]): Promise<string> {
  const tessera = path.join(PACKAGE, 'cli/tessera.mjs');
  const env = { ...process.env, TEMPORAL_ADDRESS: `${HOST}:7233`, TESSERA_NAMESPACE: NAMESPACE };
  const { stdout } = await promisify(execFile)(process.execPath, [tessera, 'leftovers', ...args], { env });
  return stdout;
}

/** Changes the PodTemplate as a cluster's owner could, for one test. */
async function withTemplate<T>(patch: object, test: () => Promise<T>): Promise<T> {
  return withPatch('podtemplate', 'tessera-worker', patch, test);
}

async function withPatch<T>(kind: string, name: string, patch: object, test: () => Promise<T>): Promise<T> {
  const before = await kubectl('get', kind, name, '-n', NAMESPACE, '-o', 'json');
  const { metadata, ...rest } = JSON.parse(before);
  await kubectl('patch', kind, name, '-n', NAMESPACE, '--type=strategic', '-p', JSON.stringify(patch));
  try {
    return await test();
  } finally {
    const { resourceVersion, managedFields, ...kept } = metadata;
    kubectlWith(JSON.stringify({ ...rest, metadata: kept }), 'replace', '-f', '-');
  }
}

function withoutControlWorker(test: () => Promise<void>): Promise<void> {
  return withPatch('deployment', 'tessera-control', { spec: { replicas: 0 } }, async () => {
    await eventually('no control worker is there', async () => {
      const pods = await kubectl(
        'get',
        'pods',
        '-n',
        NAMESPACE,
        '-l',
        'app.kubernetes.io/name=tessera-control',
        '-o',
        'name',
      );
      return pods.trim() === '';
    });
    await test();
  });
}

const container = (changes: object) => ({
  template: { spec: { containers: [{ name: 'worker', ...changes }] } },
});

/** The main process of a pod's container, as this machine sees it. */
function processOf(pod: string): number {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const isWorker = readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('workers/gpu.js');
      if (isWorker && readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`TESSERA_WORKER=${pod}\0`))
        return Number(entry);
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error(`no process of ${pod}`);
}

describe.skipIf(noRig !== null)('a pod’s process is killed', () => {
  it.each([
    ['SIGKILL', 'crashed', 'killed by SIGKILL'],
    ['SIGTERM', 'stopped', 'SIGTERM'],
  ] as const)('by %s: it costs one shard and changes no number', async (signal, kind, words) => {
    const { handle, victim: name } = await atWorkOnALongShard(`killed-by-${signal.toLowerCase()}`);
    process.kill(processOf(name), signal);
    const { causes, failures } = await sameResult(handle);
    expect(causes).toContain(kind);
    expect(failures.map((failure) => failure.class)).toEqual(['WorkerLost']);
    expect(failures[0]!.message).toContain(`${name}: ${kind}: ${words}`);
    expect((await tessera.logs(handle.workflowId)).get(name)).toContain('begun');
  });
});

describe('a pod is taken away', () => {
  it('evicted through the API', async () => {
    const { handle, victim: name } = await atWorkOnALongShard('evicted');
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NAMESPACE } };
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/eviction`;
    kubectlWith(JSON.stringify(eviction), 'create', '--raw', path, '-f', '-');
    const { causes, failures } = await sameResult(handle);
    expect(causes).toContain('evicted');
    expect(failures[0]!.message).toContain('evicted');
    expect((await tessera.logs('evicted')).get(name)).toContain('begun');
  });

  it.skipIf(noRig !== null)(
    'with its whole node: the others do its work, and it is made up for',
    async () => {
      const handle = await inTheMiddle('node-lost', { overrides: slower });
      const victim = (await runningPods()).find(({ spec }) => spec!.nodeName === 'node-2')!;
      await rig('node.sh', 'kill', 'node-2');
      try {
        const { workers } = await untilProgress(
          handle,
          'the cause is told',
          ({ workers }) => workers[victim.metadata!.name!]?.state.startsWith('gone: node-lost') ?? false,
          120_000,
        );
        expect(Object.keys(workers).length).toBeGreaterThanOrEqual(2);
        await eventually('a third pod runs on the other node', async () => {
          const running = await runningPods();
          return running.filter(({ spec }) => spec!.nodeName === 'node-1').length === 2;
        });
        await handle.result();
        expect((await tessera.results('node-lost')).coverage.images).toBe(36);
        expect(await jobsOf()).toEqual([]);
      } finally {
        await rig('node.sh', 'start', 'node-2');
      }
    },
  );
});

describe('memory', () => {
  it('at its limit: the batch is halved, and fits', async () => {
    // Measured: 0.7 GB with a batch of 128, 1.3 GB with 256.
    const overrides = ['run.shards=12', 'run.workers=2'];
    const handle = await withTemplate(container({ resources: { limits: { memory: '900Mi' } } }), async () => {
      const run = await tessera.start(
        'out-of-memory',
        tessera.input({ overrides: [...overrides, 'run.batch=256'] }),
      );
      await eventually('the Job is there', async () => (await jobsOf()).length > 0);
      return run;
    });
    await handle.result();
    await tessera.run('in-plenty', tessera.input({ overrides: [...overrides, 'run.batch=4'] }));
    const { causes, failures } = await sameResult(handle, await digests('in-plenty'));
    expect(new Set(causes)).toEqual(new Set(['out-of-memory']));
    expect(new Set(failures.map((failure) => failure.class))).toEqual(new Set(['OutOfMemory']));
    expect(failures[0]!.message).toContain('killed at its memory limit of 900Mi');
  });

  it('that no crop fits in: the run fails, and says so', async () => {
    const patch = container({ resources: { limits: { memory: '160Mi' }, requests: { memory: '64Mi' } } });
    const { message } = await withTemplate(patch, () => failure('no-memory'));
    expect(message).toContain('killed at its memory limit of 160Mi');
  });
});

describe('a pod that can’t start', () => {
  it('for want of its image: the run fails at once, in the registry’s words', async () => {
    const registry = createServer((request, response) => {
      // Of the distribution API: it is there, and has nothing.
      response.writeHead(request.url === '/v2/' ? 200 : 404, { 'content-type': 'application/json' });
      response.end(
        request.url === '/v2/'
          ? '{}'
          : '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
      );
    }).listen(5999, '127.0.0.1');
    try {
      const patch = container({ image: '127.0.0.1:5999/tessera-worker:none' });
      const { type, message, seconds } = await withTemplate(patch, () => failure('image-missing'));
      expect(type).toBe('BadInput');
      expect(message).toMatch(
        /image-missing: ErrImagePull: .*127\.0\.0\.1:5999\/tessera-worker:none.*not found/,
      );
      expect(seconds).toBeLessThan(30);
    } finally {
      registry.close();
    }
  });

  it('for want of a node: it waits, says why, and fails at the deadline', async () => {
    const patch = container({ resources: { limits: { 'nvidia.com/gpu': '3' } } });
    const { message, seconds } = await withTemplate(patch, () =>
      failure('unschedulable', { deadlineMinutes: 0.25 }),
    );
    expect(message).toMatch(/^the deadline of 0.25 minutes passed .*unschedulable: 0\/2 nodes are available/);
    expect(message).toContain('Insufficient nvidia.com/gpu');
    expect(seconds).toBeGreaterThan(14);
    expect(seconds).toBeLessThan(40);
  });

  it('for want of quota that others use: it says so, and the run is done by those that came', async () => {
    const patch = { spec: { hard: { 'requests.nvidia.com/gpu': '1' } } };
    await withPatch('resourcequota', 'tessera', patch, async () => {
      const handle = await tessera.start('quota-full', tessera.input({ overrides: slow }));
      const { trouble } = await untilProgress(
        handle,
        'the trouble is told',
        ({ trouble }) => trouble !== null,
      );
      expect(trouble).toMatchObject({
        kind: 'quota-full',
        message: expect.stringContaining('exceeded quota'),
      });
      await sameResult(handle);
    });
  });

  it('for want of quota that is too small for one pod: the run fails at once', async () => {
    const patch = { spec: { hard: { 'requests.nvidia.com/gpu': '0' } } };
    const { type, message, seconds } = await withPatch('resourcequota', 'tessera', patch, () =>
      failure('quota-too-small'),
    );
    expect(type).toBe('BadInput');
    expect(message).toMatch(
      /^quota-too-small: .*exceeded quota: tessera, requested: requests.nvidia.com\/gpu=1/,
    );
    expect(seconds).toBeLessThan(30);
  });

  it('for Pod Security refuses it: the run fails at once, with the reasons', async () => {
    const patch = container({ securityContext: { privileged: true, allowPrivilegeEscalation: true } });
    const { type, message, seconds } = await withTemplate(patch, () => failure('pod-security'));
    expect(type).toBe('BadInput');
    expect(message).toMatch(/^refused: .*violates PodSecurity "restricted.*privileged/);
    expect(seconds).toBeLessThan(30);
  });

  it('for its template is one that no Job can have: the dry run’s words, and no Job', async () => {
    // A label that the Job's controller keeps to itself. What no pod can be, a PodTemplate is refused for already.
    const patch = { template: { metadata: { labels: { 'controller-uid': 'mine' } } } };
    const { type, message, seconds } = await withTemplate(patch, () => failure('dry-run'));
    expect(type).toBe('BadInput');
    expect(message).toMatch(/refuses to accept Job eval-.* of PodTemplate tessera-worker: .*controller-uid/s);
    expect(seconds).toBeLessThan(15);
    expect(await jobsOf()).toEqual([]);
  });
});

describe('a server is away for 20 s', () => {
  it.skipIf(noRig !== null)('Kubernetes’ API', async () => {
    const handle = await inTheMiddle('api-away');
    await rig('rig.sh', 'kill', 'apiserver');
    await sleep(20_000);
    await rig('rig.sh', 'start', 'apiserver');
    const { failures } = await sameResult(handle);
    expect(failures).toEqual([]);
  });

  it('S3', async () => {
    const handle = await inTheMiddle('s3-away');
    await withPatch('service', 's3', { spec: { selector: { nobody: 'at-all' } } }, () => sleep(20_000));
    await sameResult(handle);
  });
});

describe('a run that is', () => {
  it('cancelled leaves nothing, and publishes nothing', async () => {
    const handle = await inTheMiddle('cancelled');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect(await leftThere()).toEqual([]);
  });

  it('terminated leaves nothing for long', async () => {
    const handle = await inTheMiddle('terminated');
    await handle.terminate('test');
    await eventually('its pods are gone', async () => (await leftThere()).length === 0, {
      timeoutMs: 20_000,
    });
  });

  it('terminated while no control worker is there frees its GPUs by itself', async () => {
    const handle = await inTheMiddle('abandoned');
    await withoutControlWorker(async () => {
      await handle.terminate('test');
      await eventually('its pods have ended', async () => (await runningPods()).length === 0);
      const [job] = await jobsOf();
      expect(await leftovers('--older-than', '0')).toContain(job!.metadata!.name);
    });
    // The next control worker finds the Job and removes it.
    await eventually('its Job is gone', async () => (await jobsOf()).length === 0);
    expect(await leftovers()).toContain('nothing is left over');
  });

  it('alive is no leftover; one that is over is removed by hand, too', async () => {
    const handle = await inTheMiddle('by-hand');
    expect(await leftovers('--remove', '--older-than', '0')).toContain('nothing is left over');
    await withoutControlWorker(async () => {
      await handle.terminate('test');
      const [job] = await jobsOf();
      expect(await leftovers('--remove', '--older-than', '0')).toContain(
        `removed Job ${job!.metadata!.name}`,
      );
      await eventually('it is gone', async () => (await leftThere()).length === 0);
    });
  });
});

describe('the control worker', () => {
  it('killed during launch: one Job, the same result', async () => {
    const handle = await tessera.start('control-killed', tessera.input({ overrides: slow }));
    const [job] = await eventually(
      'the Job is there',
      async () => {
        const jobs = await jobsOf();
        return jobs.length > 0 && jobs;
      },
      { everyMs: 20 },
    );
    await kubectl(
      'delete',
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      'app.kubernetes.io/name=tessera-control',
      '--grace-period=0',
      '--force',
    );
    await untilProgress(handle, 'shards are done', ({ shards }) => shards.done > 1);
    expect((await jobsOf()).map(({ metadata }) => metadata!.uid)).toEqual([job!.metadata!.uid]);
    await sameResult(handle);
  });

  it('replaced in mid-run, as an upgrade does: the pods stay', async () => {
    const handle = await inTheMiddle('upgraded');
    const before = (await podsOf()).map(({ metadata }) => metadata!.uid);
    await kubectl('rollout', 'restart', 'deployment/tessera-control', '-n', NAMESPACE);
    await kubectl('rollout', 'status', 'deployment/tessera-control', '-n', NAMESPACE, '--timeout=60s');
    const after = (await podsOf()).map(({ metadata }) => metadata!.uid);
    expect(after.filter((uid) => !before.includes(uid))).toEqual([]);
    await sameResult(handle);
  });
});
