import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { programArguments } from '../../infra/local/program.ts';
import { stackEnv, startStack } from '../../infra/local/stack.ts';
import { startTemporalServer } from '../../infra/local/temporal-server.ts';
import { startNode, temporaryFolder, until } from '../infra/observe.ts';

/* What a terminal reports of a Temporal that has no worker, is away, or lacks what was asked for. */

async function startServers() {
  const stack = await startStack({ stateDir: temporaryFolder() });
  onTestFinished(() => stack[Symbol.asyncDispose]());
  const env = { ...process.env, ...stackEnv(stack), TESSERA_STATE: temporaryFolder() };
  const tessera = (args: string[], more: NodeJS.ProcessEnv = {}) =>
    startNode(['cli/tessera.mjs', ...args], { ...env, ...more });
  return { stack, env, tessera };
}

const RUN = ['run', 'tiny', '--weights', 's3://tessera/nothing.pth', '--dataset', 's3://tessera/nothing'];

test('a run waits for its worker and for Temporal, says so, and ends as if nothing had been', async () => {
  const { stack, env, tessera } = await startServers();
  const port = Number(new URL(`http://${stack.temporalAddress}`).port) + 2;
  const stateDir = temporaryFolder();
  mkdirSync(join(stateDir, 'logs'));
  const options = { stateDir, host: '127.0.0.1', port, uiPort: port + 1 };
  const own = { TEMPORAL_ADDRESS: `127.0.0.1:${port}` };
  const first = await startTemporalServer(options);
  onTestFinished(() => void first.stop());

  const run = tessera([...RUN, '--workflow-id', 'w'], own);
  await until('nobody listens', () =>
    run.output().includes("nobody listens on task queue tessera of Temporal's namespace default: w waits"),
  );
  await first.stop();
  await until(
    'Temporal is away',
    () => run.output().includes('Temporal does not answer: waiting for it'),
    40_000,
  );
  const second = await startTemporalServer(options);
  onTestFinished(() => void second.stop());
  await until('Temporal is back', () => run.output().includes('Temporal answers again'), 40_000);
  const control = startNode(programArguments('workers/control'), { ...env, ...own });
  expect(await run.exited).toBe('3');
  control.child.kill();
  expect(run.output()).toContain('✗ s3://tessera/nothing.pth: does not exist');
  expect(run.output()).not.toMatch(/\n\s+at /);
});

test('what Temporal or a cluster lacks is one sentence', async () => {
  const { tessera } = await startServers();
  const home = { HOME: temporaryFolder(), KUBERNETES_SERVICE_HOST: undefined };
  const [namespace, file, cluster] = [
    tessera(RUN, { TEMPORAL_NAMESPACE: 'nothing' }),
    tessera(['leftovers'], { ...home, KUBECONFIG: '/nothing' }),
    tessera(['leftovers'], { ...home, KUBECONFIG: undefined }),
  ];
  await Promise.all([namespace.exited, file.exited, cluster.exited]);
  expect(namespace.output()).toBe(
    '✗ Temporal has no namespace nothing (TEMPORAL_NAMESPACE). ' +
      'Create it: temporal operator namespace create --namespace nothing\n',
  );
  expect(file.output()).toMatch(/^✗ KUBECONFIG \(\/nothing\) can't be used: .*no such file.*\n$/);
  expect(cluster.output()).toMatch(/^✗ no Kubernetes cluster: .*KUBECONFIG.*\n$/);
});
