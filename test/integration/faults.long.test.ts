import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { breakGpus } from './break-gpus.ts';
import { startTessera, type Tessera, until } from './tessera.ts';

let tessera: Tessera;
let expected: { matrix: string; predictions: string };
const gpus = breakGpus();
const slow = ['run.shards=12', 'run.batch=1'];

beforeAll(async () => {
  tessera = await startTessera({ images: 36 });
  await tessera.run('undisturbed', tessera.input({ overrides: slow }));
  expected = await digests('undisturbed');
});
afterAll(async () => {
  await tessera?.[Symbol.asyncDispose]();
  gpus.mend();
});

async function digests(id: string) {
  const { confusionMatrix, coverage } = await tessera.results(id);
  return { matrix: confusionMatrix.sha256, predictions: coverage.predictionsSha256 };
}

describe('a run goes on when', () => {
  it('a worker is killed in mid-shard: it costs one shard and changes no number', async () => {
    const handle = await tessera.start('worker-killed', tessera.input({ overrides: slow }));
    await until(handle, ({ shards }) => shards.done > 1);
    const [victim] = tessera.pids('workers/gpu');
    process.kill(victim!, 'SIGKILL');
    await handle.result();
    expect(await digests('worker-killed')).toEqual(expected);
    const { shards } = await tessera.results('worker-killed');
    const disturbed = shards.filter(({ attempts }) => attempts > 1);
    expect(disturbed).toHaveLength(1);
    expect(disturbed[0]!.failures[0]!.class).toBe('WorkerLost');
  });

  it('a GPU fails in mid-shard: its worker ends, another does the shard, and no number changes', async () => {
    const handle = await tessera.start('gpu-failed', tessera.input({ overrides: slow }));
    await until(handle, ({ shards }) => shards.done > 1);
    gpus.breakOne();
    await handle.result();
    expect(await digests('gpu-failed')).toEqual(expected);
    const { shards, workers } = await tessera.results('gpu-failed');
    const disturbed = shards.filter(({ attempts }) => attempts > 1);
    expect(disturbed).toHaveLength(1);
    expect(disturbed[0]!.failures).toEqual([
      {
        class: 'WorkerLost',
        message: expect.stringMatching(
          /^eval-\S+: the GPU failed: CUDA failure 719: unspecified launch failure\. /,
        ),
      },
    ]);
    const gone = workers.filter(({ cause }) => cause?.kind === 'crashed');
    expect(gone.map(({ cause }) => cause!.message)).toEqual(['exit code 1']);
  });

  it('the control worker is killed in mid-run and comes back', async () => {
    const handle = await tessera.start('control-killed', tessera.input({ overrides: slow }));
    await until(handle, ({ shards }) => shards.done > 1);
    const [control] = tessera.pids('workers/control');
    process.kill(control!, 'SIGKILL');
    await handle.result();
    expect(await digests('control-killed')).toEqual(expected);
    await sleep(200);
    expect(tessera.pids('workers/gpu')).toEqual([]);
  });
});

describe('a run that is terminated', () => {
  it('leaves no worker behind for long', async () => {
    const handle = await tessera.start('terminated', tessera.input({ overrides: slow }));
    await until(handle, ({ shards }) => shards.done > 0);
    await handle.terminate('test');
    for (let i = 0; i < 100 && tessera.pids('workers/gpu').length > 0; i++) await sleep(100);
    expect(tessera.pids('workers/gpu')).toEqual([]);
  });
});
