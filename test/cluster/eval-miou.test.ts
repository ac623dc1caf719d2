import { rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { spawnTied } from '../../infra/local/processes.ts';
import { programArguments } from '../../infra/local/program.ts';
import { PACKAGE } from '../../workers/environment.ts';
import {
  type ClusterTessera,
  HOST,
  jobsOf,
  leftThere,
  noRig,
  ROOT,
  runningPods,
  startClusterTessera,
  untilProgress,
} from './cluster.ts';
import { eventually, kubectl } from './kubectl.ts';

let tessera: ClusterTessera;
const overrides = ['run.shards=8', 'run.workers=2'];

beforeAll(async () => {
  tessera = await startClusterTessera({ images: 24 });
});
afterAll(() => tessera?.[Symbol.asyncDispose]());

describe('EvalMIoU on a cluster', () => {
  it('runs on pods of two nodes, and leaves nothing there', async () => {
    const input = JSON.stringify(tessera.input({ overrides }));
    // As a user starts it, by Temporal's own command.
    const temporal = spawnTied(
      process.env.TESSERA_TEMPORAL_BIN ?? 'temporal',
      [
        'workflow',
        'start',
        '--type',
        'EvalMIoU',
        '--task-queue',
        'tessera',
        '--workflow-id',
        'on-pods',
      ].concat(['--input', input, '--address', `${HOST}:7233`]),
      { output: 'ignore' },
    );
    expect((await temporal.exited).code).toBe(0);
    const handle = tessera.client.workflow.getHandle('on-pods');
    await untilProgress(handle, 'two workers', ({ workers }) => Object.keys(workers).length === 2);
    const result = await handle.result();
    expect(await leftThere()).toEqual([]);
    const { run, environment, coverage, workers, timeBudget, artifacts } = await tessera.results('on-pods');
    expect(result).toMatchObject({ images: 24, resultsUri: `${ROOT}/runs/on-pods/results.json` });
    expect(environment).toMatchObject({ launcher: 'kubernetes', workers: 2 });
    expect(coverage.images).toBe(24);
    expect(new Set(workers.map(({ node }) => node)).size).toBe(2);
    expect(workers.every(({ cause }) => cause === undefined)).toBe(true);
    expect(run.imageDigest).not.toBeNull();
    // By phase, and so that the phases explain the whole.
    const { total, ...phases } = timeBudget.coldStart!;
    const told = Object.values(phases).reduce((sum, seconds) => sum + seconds, 0);
    expect(told).toBeGreaterThan(0.5 * total);
    // The API tells whole seconds, so that a quick start is one of none.
    expect(workers.every(({ seconds }) => seconds !== undefined)).toBe(true);
    expect(artifacts.logs).toBe(`${ROOT}/runs/on-pods/logs/`);
    const logs = await tessera.logs('on-pods');
    expect([...logs.keys()].sort()).toEqual(workers.map(({ name }) => name).sort());
    for (const [name, text] of logs) expect(text).toContain(`worker ${name} ready`);
  });

  it('gives the same matrix as processes on this machine, bit for bit', async () => {
    await using control = spawnTied(process.execPath, programArguments('workers/control'), {
      cwd: PACKAGE,
      env: {
        ...process.env,
        TEMPORAL_ADDRESS: `${HOST}:7233`,
        TESSERA_TASK_QUEUE: 'on-this-machine',
        TESSERA_LAUNCHER: 'local',
      },
      output: 'ignore',
    });
    expect(control.pid).toBeGreaterThan(0);
    const local = await tessera.client.workflow.execute('EvalMIoU', {
      taskQueue: 'on-this-machine',
      workflowId: 'local',
      args: [tessera.input({ overrides: ['run.shards=5', 'run.workers=1'] })],
    });
    const [here, there] = await Promise.all([tessera.results('local'), tessera.results('on-pods')]);
    expect(here.environment.launcher).toBe('local');
    expect(there.confusionMatrix.sha256).toBe(here.confusionMatrix.sha256);
    expect(there.coverage).toEqual(here.coverage);
    expect(local).toMatchObject({ mIoU: there.metrics.mIoU });
  });

  it('runs as the least that a container can be: not root, nothing writable, no token', async () => {
    const handle = await tessera.start('least', tessera.input({ overrides: [...overrides, 'run.batch=1'] }));
    const pods = await eventually('a pod runs', async () => {
      const running = await runningPods();
      return running.length > 0 && running;
    });
    const { spec, metadata } = pods[0]!;
    const container = spec!.containers[0]!;
    expect(spec).toMatchObject({ automountServiceAccountToken: false, serviceAccountName: 'tessera-worker' });
    expect({ ...spec!.securityContext, ...container.securityContext }).toMatchObject({
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
    const exec = (...command: string[]) =>
      kubectl('exec', '-n', 'tessera', metadata!.name!, '--', ...command);
    expect((await exec('id', '-u')).trim()).toBe('65532');
    await expect(exec('touch', '/app/x')).rejects.toThrow('Read-only file system');
    await expect(exec('ls', '/var/run/secrets/kubernetes.io')).rejects.toThrow('No such file');
    await handle.result();
  });

  it('called twice by one workflow id, it runs once', async () => {
    const input = tessera.input({ overrides });
    const handle = await tessera.start('twice', input);
    await expect(tessera.start('twice', input)).rejects.toThrow('already');
    await handle.result();
    const { run } = await tessera.results('twice');
    expect(await tessera.run('twice', input)).toMatchObject({ images: 24 });
    expect((await tessera.results('twice')).run.runId).toBe(run.runId);
    expect(await jobsOf()).toEqual([]);
  });

  it.skipIf(noRig !== null)(
    'two runs at once share a node’s cache: the weights are fetched once',
    async () => {
      await kubectl('cordon', 'node-2');
      await rm(path.join(process.env.TESSERA_RIG!, 'nodes/node-1/var/cache/tessera/objects'), {
        recursive: true,
        force: true,
      });
      try {
        const input = tessera.input({ overrides: ['run.shards=2', 'run.workers=1'] });
        const runs = await Promise.all(['first', 'second'].map((id) => tessera.start(id, input)));
        await Promise.all(runs.map((run) => run.result()));
        const logs = await Promise.all(['first', 'second'].map((id) => tessera.logs(id)));
        const lines = logs.flatMap((texts) => [...texts.values()]).flatMap((text) => text.split('\n'));
        const ofWeights = lines.filter((line) => line.includes('weights/backbone.pth'));
        expect(ofWeights).toHaveLength(2);
        expect(ofWeights.filter((line) => line.includes('in the cache'))).toHaveLength(1);
        expect(ofWeights.filter((line) => / MB in /.test(line))).toHaveLength(1);
      } finally {
        await kubectl('uncordon', 'node-2');
      }
    },
  );
});
