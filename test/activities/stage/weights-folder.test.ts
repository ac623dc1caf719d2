import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { stageWeights } from '../../../activities/stage/stage-weights.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import { sha256 } from '../../builders.ts';
import { floats, readAtOf } from '../../core/checkpoint/hand-made.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const DESTINATION = 's3://bucket/models/vit.safetensors';
const INDEX = 'model.safetensors.index.json';
const a = { dtype: 'F32', shape: [2], data: floats(1, 2) };
const b = { dtype: 'BF16', shape: [1], data: Uint8Array.from([0x80, 0x3f]) };
const SHARDED = {
  '1.safetensors': safetensors({ a }),
  '2.safetensors': safetensors({ b }),
  [INDEX]: JSON.stringify({ weight_map: { a: '1.safetensors', b: '2.safetensors' } }),
};

/** A model's folder, with what stages it or a file in it. */
function modelFolder(files: Record<string, Uint8Array | string>) {
  const folder = temporaryFolder();
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const objects = new Map<string, Buffer>();
  const store = memoryStore(objects);
  const hooks = { signal: new AbortController().signal, onProgress() {} };
  const stage = (file = '') =>
    stageWeights(store, { source: join(folder, file), destination: DESTINATION }, hooks);
  return { folder, objects, stage };
}

test('a safetensors file is staged as it is', async () => {
  const bytes = safetensors({ a, b });
  const { stage, objects } = modelFolder({ 'model.safetensors': bytes });
  await stage('model.safetensors');
  expect(objects.get(DESTINATION)).toEqual(bytes);
});

test.each([
  ['its folder', ''],
  ['its index', INDEX],
])(
  'a sharded model is staged by %s as one safetensors object, with a digest of each tensor',
  async (_, file) => {
    const { stage, objects } = modelFolder(SHARDED);
    expect(await stage(file)).toMatchObject({ uploadedFiles: 1 });
    const object = objects.get(DESTINATION)!;
    const { tensors } = await openCheckpoint('x', object.length, readAtOf(object));
    expect([...tensors.keys()].sort()).toEqual(['a', 'b']);
    const manifest = WeightsManifestSchema.parse(
      JSON.parse(objects.get(`${DESTINATION}.manifest.json`)!.toString()),
    );
    expect(manifest.file).toMatchObject({ sizeBytes: object.length, sha256: sha256(object) });
    for (const { name, offset, length, sha256: digest } of manifest.tensors) {
      expect(tensors.get(name)).toMatchObject({ offset, length });
      expect(digest).toBe(sha256({ a, b }[name]!.data));
    }
    expect(await stage(file)).toMatchObject({ uploadedFiles: 0 });
  },
);

test('a missing shard is named before anything is sent', async () => {
  const { stage, folder, objects } = modelFolder(SHARDED);
  rmSync(join(folder, '2.safetensors'));
  await expect(stage()).rejects.toThrow(BadInput);
  await expect(stage()).rejects.toThrow(
    `${join(folder, INDEX)}: names 2.safetensors, which is not there: copy all`,
  );
  expect(objects.size).toBe(0);
});

test('a shard that is cut off is named', async () => {
  const { stage, folder } = modelFolder({
    ...SHARDED,
    '1.safetensors': SHARDED['1.safetensors'].subarray(0, -2),
  });
  await expect(stage()).rejects.toThrow(BadData);
  await expect(stage()).rejects.toThrow(`${join(folder, '1.safetensors')}: truncated`);
});

test('a folder without weights is refused with what is there', async () => {
  const { stage } = modelFolder({ 'config.json': '{}' });
  await expect(stage()).rejects.toThrow(/has no weights; .*but there are config\.json$/);
});
