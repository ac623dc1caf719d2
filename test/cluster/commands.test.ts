import { appendFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { type Ended, tesseraCommand } from '../integration/command.ts';
import { type ClusterTessera, HOST, NAMESPACE, startClusterTessera } from './cluster.ts';
import { eventually } from './kubectl.ts';

/* The commands of a day, as a user gives them beside a cluster. TESSERA_TRANSCRIPT names a file that keeps them. */
let tessera: ClusterTessera;
let folder: string;

beforeAll(async () => {
  tessera = await startClusterTessera({ images: 24 });
  folder = await mkdtemp(path.join(os.tmpdir(), 'tessera-user-'));
  await writeFile(
    path.join(folder, 'mine.yaml'),
    stringify({ base: 'tiny', name: 'mine', run: { shards: 8, workers: 2 } }),
  );
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await tessera?.[Symbol.asyncDispose]();
});

/** What a user types, in their own folder. */
async function type(...words: string[]): Promise<Ended> {
  const env = {
    TEMPORAL_ADDRESS: `${HOST}:7233`,
    TESSERA_NAMESPACE: NAMESPACE,
    TESSERA_STATE: path.join(folder, 'state'),
  };
  const ended = await tesseraCommand(words, { cwd: folder, env });
  const { TESSERA_TRANSCRIPT } = process.env;
  if (TESSERA_TRANSCRIPT)
    appendFileSync(
      TESSERA_TRANSCRIPT,
      `$ tessera ${words.join(' ')}\n${ended.stderr}${ended.stdout}(exit code ${ended.code})\n\n`,
    );
  return ended;
}

const inputs = () => {
  const { weights, head, dataset } = tessera.input();
  return ['--weights', weights, '--head', head!, '--dataset', dataset];
};
const json = async (...words: string[]) => JSON.parse((await type(...words, '--json')).stdout);

describe('the commands of a day, beside a cluster', () => {
  it('finds the cluster well, and plans', async () => {
    const { findings } = await json('doctor');
    expect(findings.filter(({ state }: { state: string }) => state === 'failed')).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({ area: 'Kubernetes', what: 'rights', state: 'ok' }),
    );
    expect((await type('plan', 'mine.yaml', ...inputs())).code).toBe(0);
  });

  it("evaluates a config file of the user's, and says what it does, why, and what came out", async () => {
    const started = await type('run', 'mine.yaml', ...inputs(), '--workflow-id', 'first', '--no-wait');
    expect(started).toMatchObject({ code: 0, stdout: 'first\n' });
    await eventually(
      'a worker says something',
      async () => (await type('logs', 'first')).stdout.includes('ready'),
      { timeoutMs: 60_000 },
    );
    expect((await json('status', 'first')).state).toMatch(/running|completed/);
    expect((await type('watch', 'first')).code).toBe(0);
    expect(await json('ls')).toMatchObject([{ id: 'first', state: 'completed', config: 'mine' }]);
    expect((await type('why', 'first')).code).toBe(0);
    expect((await json('results', 'first')).run.config.name).toBe('mine');
    // Its pods are gone, and S3 has kept what they said.
    expect((await type('logs', 'first')).stdout).toContain('ready');
  });

  it('runs it again with one thing changed, and compares', async () => {
    const again = ['rerun', 'first', '--workflow-id', 'second', '--cfg-options', 'run.batch=1'];
    expect((await type(...again)).code).toBe(0);
    const compared = await type('compare', 'first', 'second');
    expect(compared).toMatchObject({ code: 0, stdout: expect.stringContaining('mIoU') });
    expect((await type('get', 'second', 'copies')).code).toBe(0);
    expect(await readdir(path.join(folder, 'copies'))).toContain('results.json');
    expect((await type('open', 'second', '--print')).stdout).toMatch(/^http.*report\.html/);
  });

  it('cancels a run, and says why another failed', async () => {
    const slow = ['--cfg-options', 'run.shards=24', 'run.workers=1', 'run.batch=1'];
    await type('run', 'mine.yaml', ...inputs(), ...slow, '--workflow-id', 'third', '--no-wait');
    expect((await type('cancel', 'third')).code).toBe(0);
    expect((await json('status', 'third')).state).toBe('cancelled');
    const gated = await type(
      'run',
      'mine.yaml',
      ...inputs(),
      '--workflow-id',
      'fourth',
      '--min-miou',
      '99',
      '--quiet',
    );
    expect(gated.code).toBe(10);
    const missing = ['--weights', 's3://tessera/weights/none.pth', '--dataset', tessera.input().dataset];
    const failed = await type('run', 'mine.yaml', ...missing, '--workflow-id', 'fifth', '--quiet');
    expect(failed.code).toBe(3);
    expect((await type('why', 'fifth')).stdout).toContain('s3://tessera/weights/none.pth');
  });
});
