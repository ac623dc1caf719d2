import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { spawnTied } from '../../infra/local/processes.ts';
import { processesWith, startNode, temporaryFolder, until } from './observe.ts';

const HOLD_STUBBORN = fileURLToPath(new URL('./programs/hold-stubborn.ts', import.meta.url));

vi.setConfig({ testTimeout: 30_000 });

test('a tied process ends when its parent is killed, even one that ignores SIGTERM, with its children', async () => {
  const mark = temporaryFolder();
  const parent = startNode(['--import', 'tsx', HOLD_STUBBORN, mark]);
  await until('the processes start', () => processesWith(`: ${mark}`).length >= 2);
  parent.child.kill('SIGKILL');
  await until('all processes end', () => processesWith(mark).length === 0, 5_000);
});

test('a tied process reports how it ended', async () => {
  await expect(spawnTied('sh', ['-c', 'exit 7'], { output: 'ignore' }).exited).resolves.toEqual({
    code: 7,
    signal: null,
  });
  await expect(spawnTied('sh', ['-c', 'kill -KILL $$'], { output: 'ignore' }).exited).resolves.toEqual({
    code: null,
    signal: 'SIGKILL',
  });
  await expect(spawnTied('/no/such/program', [], { output: 'ignore' }).exited).resolves.toEqual({
    code: 127,
    signal: null,
  });
});

test('stop waits until nothing runs any more, and may be called again', async () => {
  const mark = temporaryFolder();
  const tied = spawnTied('sh', ['-c', `sleep 60 & sleep 60; : ${mark}`], { output: 'ignore' });
  await until('the process starts', () => processesWith(`: ${mark}`).length > 0);
  await tied.stop();
  expect(processesWith(mark)).toEqual([]);
  await tied.stop();
});
