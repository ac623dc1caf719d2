import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fetchHubWeights } from '../../../activities/deliver/fetch-hub-weights.ts';
import { openHub } from '../../../activities/hub/hub.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import { BadData } from '../../../core/config/failures.ts';
import { tinyConfig } from '../../builders.ts';
import { readAtOf } from '../../core/checkpoint/hand-made.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { COMMIT, fakeHub, REPO } from '../hub/fake-hub.ts';

const MiB = 1 << 20;
const { model } = tinyConfig('model.backbone.depth=3', 'model.backbone.taps=[1]');
const big = (value: number) => ({
  dtype: 'F32',
  shape: [MiB],
  data: new Uint8Array(new Float32Array(MiB).fill(value).buffer),
});
const blocks = [0, 1, 2].map((block) => [`blocks.${block}.mlp.fc1.weight`, big(block + 1)] as const);
const SHARDS = {
  'model-1.safetensors': safetensors(Object.fromEntries(blocks.slice(0, 2))),
  'model-2.safetensors': safetensors(Object.fromEntries(blocks.slice(2))),
  'model.safetensors.index.json': Buffer.from(
    JSON.stringify({
      weight_map: Object.fromEntries(
        blocks.map(([name], i) => [name, i < 2 ? 'model-1.safetensors' : 'model-2.safetensors']),
      ),
    }),
  ),
};
const whole = tinyConfig('model.backbone.depth=3', 'model.backbone.taps=[2]').model;

async function served(files: Record<string, Buffer>) {
  const fake = await fakeHub(files);
  const hub = openHub({ endpoint: fake.endpoint, token: null, backoffMs: 1 });
  return { ...fake, hub, object: (await hub.open(`hf://${REPO}`)).object, folder: temporaryFolder() };
}

test.each([
  ['one file', { 'model.safetensors': safetensors(Object.fromEntries(blocks)) }],
  ['shards', SHARDS],
])('of %s, blocks behind the last tap are not fetched', async (_, files) => {
  const { hub, object, folder, requests } = await served(files);
  requests.length = 0;
  const { file, index } = await fetchHubWeights(hub, folder, object, model);
  const bytes = readFileSync(file);
  const first = async (name: string) =>
    toFloat32(await readTensor(index!, index!.tensors.get(name)!, readAtOf(bytes)), 'float32')[0];
  expect(await Promise.all(blocks.map(([name]) => first(name)))).toEqual([1, 2, 0]);
  const fetched = requests
    .filter(({ server }) => server === 'cdn')
    .map(({ range }) => /(\d+)-(\d+)/.exec(range!)!.slice(1).map(Number))
    .reduce((sum, [from, to]) => sum + to! - from! + 1, 0);
  expect(fetched).toBeLessThan(9 * MiB);
  // From the cache, the second time.
  requests.length = 0;
  expect((await fetchHubWeights(hub, folder, object, model)).file).toBe(file);
  expect(requests).toEqual([]);
});

test('all of a file is verified by the digest that the Hub states, and all of shards by theirs', async () => {
  for (const files of [{ 'model.safetensors': safetensors(Object.fromEntries(blocks)) }, SHARDS]) {
    const { hub, object, folder, served: settings } = await served(files);
    const [name, bytes] = Object.entries(files)[0]!;
    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 5]! ^= 1;
    settings.commits[COMMIT]![name] = damaged;
    await expect(fetchHubWeights(hub, folder, object, whole)).rejects.toThrow(BadData);
    settings.commits[COMMIT]![name] = bytes;
    const { file } = await fetchHubWeights(hub, folder, object, whole);
    expect(readFileSync(file).length).toBe(object.sizeBytes);
  }
});

test('another file than the planned one is refused', async () => {
  const { hub, object, folder } = await served(SHARDS);
  const fetching = fetchHubWeights(hub, folder, { ...object, sha256: '0'.repeat(64) }, model);
  await expect(fetching).rejects.toThrow(/is not the file that the run was planned with/);
});
