import { expect, test } from 'vitest';
import { indexForManifest, indexOfManifest } from '../../../core/checkpoint/checkpoint-index.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { BadData } from '../../../core/config/failures.ts';
import { type WeightsManifest, WeightsManifestSchema } from '../../../core/config/manifests.ts';
import { dict, floats, open, pickle, readAtOf, tensor, torchZip } from './hand-made.ts';

const DIGEST = 'ab'.repeat(32);
const quantised = 'ctorch._utils\n_rebuild_qtensor\n(tR';
const bytes = torchZip(
  pickle(
    dict({
      whole: tensor({ count: 6, shape: [2, 3], strides: [3, 1] }),
      transposed: tensor({ count: 6, shape: [3, 2], strides: [1, 3] }),
      __proto__x: tensor({ count: 6, shape: [], strides: [] }),
      quantised,
    }),
  ),
  { 'data/0': floats(0, 1, 2, 3, 4, 5) },
);

/** Through JSON, as a manifest goes. */
async function manifestOf(): Promise<WeightsManifest> {
  const manifest: WeightsManifest = {
    version: 1,
    kind: 'weights',
    file: { key: 'x.pth', sizeBytes: bytes.length, sha256: DIGEST },
    ...indexForManifest(await open(bytes), (name) => (name === 'whole' ? DIGEST : undefined)),
  };
  return WeightsManifestSchema.parse(JSON.parse(JSON.stringify(manifest)));
}

test('a manifest gives the index that opening the file gives, with the digests beside it', async () => {
  const { name, tensors, topLevelKeys, unreadable } = await open(bytes);
  const index = indexOfManifest('x.pth', await manifestOf())!;
  const whole = { ...tensors.get('whole')!, sha256: DIGEST };
  expect(index).toEqual({ name, tensors: new Map(tensors).set('whole', whole), topLevelKeys, unreadable });
  expect(index.unreadable.size).toBe(1);
  const read = await readTensor(index, index.tensors.get('transposed')!, readAtOf(bytes));
  expect([...toFloat32(read, 'float32')]).toEqual([0, 3, 1, 4, 2, 5]);
});

test('a manifest of an earlier version is no index', async () => {
  const { topLevelKeys: _, ...earlier } = await manifestOf();
  expect(indexOfManifest('x.pth', earlier)).toBeNull();
});

test.each<[string, Partial<WeightsManifest['tensors'][number]>]>([
  ['lies behind the end of the file', { offset: 1e6 }],
  ['is a view that reaches behind the end of the file', { strides: [1000, 1] }],
  ['has more bytes than its shape', { length: 28 }],
  ['has strides of another shape', { strides: [1] }],
  ['is there twice', { name: 'transposed' }],
])('a tensor that %s is damage', async (_, change) => {
  const manifest = await manifestOf();
  const tensors = manifest.tensors.map((tensor, i) => (i === 0 ? { ...tensor, ...change } : tensor));
  expect(() => indexOfManifest('x.pth', { ...manifest, tensors })).toThrow(BadData);
  expect(() => indexOfManifest('x.pth', { ...manifest, tensors })).toThrow(
    /x\.pth: its manifest is damaged: /,
  );
});
