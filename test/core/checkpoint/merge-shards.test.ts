import { describe, expect, test } from 'vitest';
import { mergeShards } from '../../../core/checkpoint/merge-shards.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { chooseWeights, parseShardIndex } from '../../../core/checkpoint/published-files.ts';
import { readTensor } from '../../../core/checkpoint/tensor-data.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { BadData, BadInput } from '../../../core/config/failures.ts';
import { dict, floats, pickle, readAtOf, tensor, torchZip } from './hand-made.ts';
import { safetensors } from './hand-made-safetensors.ts';

const INDEX = 'model.safetensors.index.json';
const half = { dtype: 'F16', shape: [1], data: Uint8Array.from([0x00, 0x3c]) };
const whole = { dtype: 'F32', shape: [2], data: floats(1, 2) };
const other = { dtype: 'F32', shape: [], data: floats(3) };

const SHARDS: Record<string, Uint8Array> = {
  '1.safetensors': safetensors({ half, whole }),
  '2.safetensors': safetensors({ other, f8: { dtype: 'F8_E5M2', shape: [1], data: new Uint8Array(1) } }),
};
const PLACES = { half: '1.safetensors', whole: '1.safetensors', other: '2.safetensors', f8: '2.safetensors' };

async function merge(shards: Record<string, Uint8Array>, places: Record<string, string>) {
  const opened = await Promise.all(
    Object.entries(shards).map(
      async ([file, bytes]) => [file, await openCheckpoint(file, bytes.length, readAtOf(bytes))] as const,
    ),
  );
  return mergeShards(INDEX, new Map(Object.entries(places)), new Map(opened));
}

/** The file that is made of them. */
function assemble({ header, parts }: Awaited<ReturnType<typeof merge>>, shards: Record<string, Uint8Array>) {
  return Buffer.concat([
    header,
    ...parts.map(({ file, offset, length }) => shards[file]!.subarray(offset, offset + length)),
  ]);
}

describe('shards', () => {
  test('become one file that opens, with the same tensors and the index that was foretold', async () => {
    const merged = await merge(SHARDS, PLACES);
    const bytes = assemble(merged, SHARDS);
    expect(bytes.length).toBe(merged.sizeBytes);
    const file = await openCheckpoint(INDEX, bytes.length, readAtOf(bytes));
    expect(file.tensors).toEqual(merged.index.tensors);
    for (const [name, { data }] of Object.entries({ half, whole, other })) {
      const found = file.tensors.get(name)!;
      expect(await readTensor(file, found, readAtOf(bytes)), name).toEqual(Buffer.from(data));
    }
    // Each lies at a multiple of its item's size, as the format's writer has it.
    for (const [name, bytesOfItem] of [
      ['whole', 4],
      ['other', 4],
      ['half', 2],
    ] as const)
      expect(file.tensors.get(name)!.offset % bytesOfItem, name).toBe(0);
    expect([...merged.index.unreadable]).toEqual([['f8', 'of type F8_E5M2']]);
  });

  test('of one type are copied in one part each', async () => {
    const shards = { a: safetensors({ x: whole, y: other }), b: safetensors({ z: whole }) };
    const { parts } = await merge(shards, { x: 'a', y: 'a', z: 'b' });
    expect(parts.map(({ file, length }) => [file, length])).toEqual([
      ['a', 12],
      ['b', 8],
    ]);
  });

  test('of torch become the same file', async () => {
    const shards = {
      'a.bin': writeTorchFile({ tensors: [{ name: 'x', dtype: 'float32', shape: [2], data: floats(1, 2) }] }),
      'b.bin': writeTorchFile({ tensors: [{ name: 'y', dtype: 'float32', shape: [1], data: floats(3) }] }),
    };
    const merged = await merge(shards, { x: 'a.bin', y: 'b.bin' });
    const bytes = assemble(merged, shards);
    const file = await openCheckpoint(INDEX, bytes.length, readAtOf(bytes));
    expect(await readTensor(file, file.tensors.get('y')!, readAtOf(bytes))).toEqual(Buffer.from(floats(3)));
  });

  test('with a view out of order are refused', async () => {
    const bytes = torchZip(pickle(dict({ t: tensor({ count: 6, shape: [3, 2], strides: [1, 3] }) })), {
      'data/0': floats(0, 1, 2, 3, 4, 5),
    });
    await expect(merge({ a: bytes }, { t: 'a' })).rejects.toThrow(/^a: t is a view whose elements/);
  });

  test.each<[string, Record<string, Uint8Array>, Record<string, string>, RegExp]>([
    [
      'a tensor that its shard lacks',
      SHARDS,
      { ...PLACES, more: '1.safetensors' },
      /more lies in 1\.safetensors, which lacks it/,
    ],
    [
      'a tensor in two shards',
      { ...SHARDS, '3.safetensors': safetensors({ half }) },
      PLACES,
      /half lies in two shards, 1\.safetensors and 3\.safetensors/,
    ],
    ['a shard that is missing', {}, PLACES, /half lies in 1\.safetensors, which lacks it/],
  ])('%s is refused', async (_, shards, places, message) => {
    const merging = merge(shards, places);
    await expect(merging).rejects.toThrow(BadData);
    await expect(merging).rejects.toThrow(message);
  });
});

describe('an index of shards', () => {
  const parse = (json: unknown) => parseShardIndex(INDEX, Buffer.from(JSON.stringify(json)));

  test('says which file holds each tensor', () => {
    expect([...parse({ metadata: { total_size: 8 }, weight_map: { a: 'x', b: 'y' } })]).toEqual([
      ['a', 'x'],
      ['b', 'y'],
    ]);
  });

  test.each<[unknown, RegExp]>([
    [[], /has no weight_map/],
    [{ weight_map: ['a'] }, /has no weight_map/],
    [{ weight_map: {} }, /names no tensor/],
    [{ weight_map: { a: 5 } }, /a lies in 5; expected the name of a file/],
    [{ weight_map: { a: '../secrets' } }, /lies in "\.\.\/secrets"; expected the name of a file beside/],
    [{ weight_map: { a: '/etc/passwd' } }, /expected the name of a file beside/],
    [{ weight_map: { a: 'b\\c' } }, /expected the name of a file beside/],
    [{ weight_map: { a: '..' } }, /expected the name of a file beside/],
    [
      { weight_map: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `${i}`])) },
      /names 1001 files, more than 1000/,
    ],
  ])('%j is refused', (json, message) => {
    expect(() => parse(json)).toThrow(BadData);
    expect(() => parse(json)).toThrow(message);
  });
});

describe('the weights of a folder', () => {
  test.each([
    [['pytorch_model.bin', 'model.safetensors', 'config.json'], 'model.safetensors'],
    [['model-00001-of-00002.safetensors', 'model.safetensors.index.json'], 'model.safetensors.index.json'],
    [['pytorch_model.bin.index.json', 'pytorch_model-1.bin'], 'pytorch_model.bin.index.json'],
    [['pytorch_model.bin', 'training_args.bin'], 'pytorch_model.bin'],
    [['README.md', 'dinov2_vits14_pretrain.pth'], 'dinov2_vits14_pretrain.pth'],
    [['open_clip_model.safetensors', 'open_clip.bin'], 'open_clip_model.safetensors'],
  ])('are, of %j, %s', (names, chosen) => {
    expect(chooseWeights(names, 'folder')).toBe(chosen);
  });

  test('are asked for where there is none, or no telling', () => {
    expect(() => chooseWeights([], 'folder')).toThrow(BadInput);
    expect(() => chooseWeights(['README.md'], 'folder')).toThrow(
      /^folder: has no weights; .*there are README\.md$/,
    );
    expect(() => chooseWeights(['b.pth', 'a.pth'], 'folder')).toThrow(
      'folder: has 2 files that may be the weights (a.pth, b.pth): name the one that is wanted',
    );
  });
});
