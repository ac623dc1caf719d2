import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchHubCheckpoint } from '../../../activities/deliver/fetch-hub-weights.ts';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { openHub } from '../../../activities/hub/hub.ts';
import { discardAbandoned } from '../../../activities/stage/partial-file.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import { sha256 } from '../../builders.ts';
import { floats, readAtOf } from '../../core/checkpoint/hand-made.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { COMMIT, fakeHub, REPO } from '../hub/fake-hub.ts';

const DESTINATION = 's3://bucket/models/vit.safetensors';
const a = { dtype: 'F32', shape: [2], data: floats(1, 2) };
const b = { dtype: 'F16', shape: [1], data: Uint8Array.from([0, 0x3c]) };
const MODEL = safetensors({ a, b });
const SHARDS = {
  '1.safetensors': safetensors({ a }),
  '2.safetensors': safetensors({ b }),
  'model.safetensors.index.json': Buffer.from(
    JSON.stringify({ weight_map: { a: '1.safetensors', b: '2.safetensors' } }),
  ),
};

async function served(files: Record<string, Buffer>) {
  const fake = await fakeHub(files);
  const hub = openHub({ endpoint: fake.endpoint, token: null, backoffMs: 1 });
  const folder = temporaryFolder();
  const objects = new Map<string, Buffer>();
  const signal = new AbortController().signal;
  const stage = (source = `hf://${REPO}`) =>
    stageWeights(
      memoryStore(objects),
      { source, destination: DESTINATION },
      {
        signal,
        onProgress() {},
        hub: {
          open: hub.open,
          fetch: (checkpoint, options) => fetchHubCheckpoint(checkpoint, folder, options),
        },
      },
    );
  const manifest = () =>
    WeightsManifestSchema.parse(JSON.parse(objects.get(`${DESTINATION}.manifest.json`)!.toString()));
  return { ...fake, folder, objects, stage, manifest };
}

test('a model of the Hub is staged with the commit that its revision is, and nothing stays on the disk', async () => {
  const { stage, objects, manifest, folder } = await served({ 'model.safetensors': MODEL });
  expect(await stage()).toMatchObject({ uploadedFiles: 1 });
  expect(objects.get(DESTINATION)).toEqual(MODEL);
  expect(manifest().source).toEqual({
    uri: `hf://${REPO}@${COMMIT}/model.safetensors`,
    etag: sha256(MODEL),
    sizeBytes: MODEL.length,
  });
  expect(readdirSync(join(folder, 'objects'))).toEqual([]);
});

test('the same commit is not downloaded again, another one is', async () => {
  const { stage, requests, move, objects } = await served({ 'model.safetensors': MODEL });
  await stage();
  requests.length = 0;
  expect(await stage()).toMatchObject({ uploadedFiles: 0 });
  expect(requests.filter(({ server }) => server === 'cdn')).toEqual([]);
  const other = safetensors({ a: { ...a, data: floats(3, 4) } });
  move({ 'model.safetensors': other });
  expect(await stage()).toMatchObject({ uploadedFiles: 1 });
  expect(objects.get(DESTINATION)).toEqual(other);
});

test('shards are staged as one file', async () => {
  const { stage, objects, manifest } = await served(SHARDS);
  await stage();
  const object = objects.get(DESTINATION)!;
  const { tensors } = await openCheckpoint('x', object.length, readAtOf(object));
  expect([...tensors.keys()]).toEqual(['a', 'b']);
  expect(manifest().file).toMatchObject({ sizeBytes: object.length, sha256: sha256(object) });
  for (const { name, sha256: digest } of manifest().tensors)
    expect(digest).toBe(sha256({ a, b }[name]!.data));
});

test('an address that is none is refused', async () => {
  const { stage } = await served({ 'model.safetensors': MODEL });
  await expect(stage('hf://org')).rejects.toThrow(BadInput);
});

test('the beginning of a download that nobody comes back for is removed, and no other file', async () => {
  const folder = temporaryFolder();
  const names = ['old.partial', 'old.partial.parts', 'whole', 'new.partial'];
  mkdirSync(folder, { recursive: true });
  for (const name of names) writeFileSync(join(folder, name), 'x');
  const longAgo = new Date(Date.now() - 8 * 24 * 3_600_000);
  for (const name of names.slice(0, 3)) utimesSync(join(folder, name), longAgo, longAgo);
  await discardAbandoned(folder);
  expect(readdirSync(folder).sort()).toEqual(['new.partial', 'whole']);
  await discardAbandoned(join(folder, 'nowhere'));
});
