import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { fetchWeights } from '../../../activities/deliver/fetch-weights.ts';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { neededPart } from '../../../activities/deliver/needed-part.ts';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { openTorchFile, readTensor } from '../../../core/checkpoint/torch-file.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import type { WeightsManifest } from '../../../core/config/manifests.ts';
import { float32Tensor, sha256, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const MiB = 1 << 20;
const URI = 's3://bucket/vit.pth';
const { model } = tinyConfig('model.backbone.depth=4', 'model.backbone.taps=[1]');

/** A backbone of four blocks with one big weight and a small one each, as staging describes it. */
async function staged() {
  const tensors = [0, 1, 2, 3].flatMap((block) => [
    float32Tensor(`blocks.${block}.mlp.fc1.weight`, [MiB, 1], (i) => block + (i % 251)),
    float32Tensor(`blocks.${block}.norm1.weight`, [16], (i) => i),
  ]);
  const bytes = Buffer.from(writeTorchFile({ tensors, wrap: 'module' }));
  const torch = await openTorchFile(URI, bytes.length, async (at, length) => bytes.subarray(at, at + length));
  const manifest: WeightsManifest = {
    version: 1,
    kind: 'weights',
    file: { key: 'vit.pth', sizeBytes: bytes.length, sha256: sha256(bytes) },
    tensors: [...torch.tensors.values()].map(({ name, dtype, shape, offset, length }) => ({
      name,
      dtype,
      shape,
      offset,
      length,
      sha256: sha256(bytes.subarray(offset, offset + length)),
    })),
  };
  return { bytes, manifest };
}

test('what is fetched is a checkpoint that opens, with every block that is needed and no other', async () => {
  const { bytes, manifest } = await staged();
  const only = neededPart(manifest, model)!;
  const { sha256: digest, sizeBytes } = manifest.file;
  const store = memoryStore(new Map([[URI, bytes]]));
  const file = await fetchToCache(
    store,
    temporaryFolder(),
    { uri: URI, sha256: digest, sizeBytes },
    { only },
  );

  const fetched = only.ranges.reduce((sum, { length }) => sum + length, 0);
  expect(bytes.length - fetched).toBe(2 * 4 * MiB);
  expect(statSync(file).blocks * 512).toBeLessThan(fetched + MiB);
  await using handle = await open(file);
  const read = async (at: number, length: number) =>
    (await handle.read(Buffer.alloc(length), 0, length, at)).buffer;
  const torch = await openTorchFile(file, sizeBytes, read);
  const numbers = async (name: string) => {
    const data = await readTensor(torch, torch.tensors.get(name)!, read);
    return [...new Float32Array(data.slice().buffer).subarray(0, 3)];
  };
  expect(await numbers('blocks.1.mlp.fc1.weight')).toEqual([1, 2, 3]);
  expect(await numbers('blocks.2.mlp.fc1.weight')).toEqual([0, 0, 0]);
  expect(await numbers('blocks.3.norm1.weight')).toEqual([0, 1, 2]);
});

test('the needed tensors are what is verified', async () => {
  const { manifest } = await staged();
  const { ranges, digestedRanges } = neededPart(manifest, model)!;
  expect(digestedRanges.map(({ name }) => name)).toEqual(
    [0, 1].flatMap((block) => [`blocks.${block}.mlp.fc1.weight`, `blocks.${block}.norm1.weight`]),
  );
  for (const { offset, length } of digestedRanges)
    expect(
      ranges.some((range) => range.offset <= offset && offset + length <= range.offset + range.length),
    ).toBe(true);
});

test('a model that needs every block, or a manifest without digests, takes the whole', async () => {
  const { manifest } = await staged();
  const whole = tinyConfig('model.backbone.depth=4', 'model.backbone.taps=[3]').model;
  expect(neededPart(manifest, whole)).toBeNull();
  const tensors = manifest.tensors.map(({ sha256: _, ...tensor }) => tensor);
  expect(neededPart({ ...manifest, tensors }, model)).toBeNull();
});

test("the auxiliary head's weights are not fetched: only training reads them, and not from the cache", async () => {
  const { manifest } = await staged();
  const tensors = manifest.tensors.map((tensor) =>
    tensor.name === 'blocks.0.mlp.fc1.weight'
      ? { ...tensor, name: 'auxiliary_head.convs.0.conv.weight' }
      : tensor,
  );
  const left = manifest.tensors.find(({ name }) => name === 'blocks.0.mlp.fc1.weight')!;
  const auxiliaryHead = { channels: 8, level: 1, classes: 150 };
  const whole = tinyConfig('model.backbone.depth=4', 'model.backbone.taps=[3]').model;
  const { ranges, digestedRanges } = neededPart({ ...manifest, tensors }, { ...whole, auxiliaryHead })!;
  const fetched = ranges.reduce((sum, { length }) => sum + length, 0);
  expect(manifest.file.sizeBytes - fetched).toBe(left.length);
  expect(ranges.some(({ offset, length }) => offset <= left.offset && left.offset < offset + length)).toBe(
    false,
  );
  expect(digestedRanges.filter(({ name }) => name?.startsWith('auxiliary_head.'))).toEqual([]);
});

test('a tensor that shares its bytes with one that is needed is fetched', async () => {
  const { manifest } = await staged();
  const [first] = manifest.tensors;
  const tensors = manifest.tensors.map((tensor) =>
    tensor.name === 'blocks.3.mlp.fc1.weight' ? { ...first!, name: tensor.name } : tensor,
  );
  const { ranges } = neededPart({ ...manifest, tensors }, model)!;
  expect(ranges[0]!.offset).toBe(0);
  expect(ranges[0]!.length).toBeGreaterThan(first!.offset + first!.length);
});

test('weights are fetched by the manifest beside them: in part, or whole if it is of another object', async () => {
  const { bytes, manifest } = await staged();
  const { sha256: digest, sizeBytes } = manifest.file;
  const fetched = async (described: WeightsManifest) => {
    const objects = new Map([[URI, bytes]]);
    objects.set(`${URI}.manifest.json`, Buffer.from(JSON.stringify(described)));
    const object = { uri: URI, sha256: digest, sizeBytes };
    const { file } = await fetchWeights(memoryStore(objects), temporaryFolder(), object, model);
    return basename(file);
  };
  expect(await fetched(manifest)).toMatch(new RegExp(`^${digest}\\.[0-9a-f]{16}$`));
  const other = { ...manifest, file: { ...manifest.file, sha256: sha256(Buffer.from('other')) } };
  expect(await fetched(other)).toBe(digest);
});

test('a worker has the index of the manifest that the plan has read, and of no other', async () => {
  const { bytes, manifest } = await staged();
  const described = Buffer.from(JSON.stringify({ ...manifest, topLevelKeys: ['module'] }));
  const store = memoryStore(
    new Map([
      [URI, bytes],
      [`${URI}.manifest.json`, described],
    ]),
  );
  const fetched = (manifestSha256: string) => {
    const object = { uri: URI, sha256: manifest.file.sha256, sizeBytes: bytes.length, manifestSha256 };
    return fetchWeights(store, temporaryFolder(), object, model);
  };
  const planned = await fetched(sha256(described));
  expect([...planned.index!.tensors.keys()]).toEqual(manifest.tensors.map(({ name }) => name));
  const other = await fetched(sha256(Buffer.from('written since')));
  expect(other.index).toBeNull();
  expect(basename(other.file)).toBe(manifest.file.sha256);
});
