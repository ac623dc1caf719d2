import { describe, expect, test } from 'vitest';
import { readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { dict, floats, int, open, pickle, readAtOf, tensor, text, torchZip } from './hand-made.ts';

const six = floats(0, 1, 2, 3, 4, 5);

function fileOf(state: Record<string, string>, entries: Record<string, Uint8Array> = { 'data/0': six }) {
  return torchZip(pickle(dict(state)), entries);
}

async function valuesOf(bytes: Uint8Array, name: string): Promise<number[]> {
  const file = await open(bytes);
  const found = file.tensors.get(name)!;
  return [...toFloat32(await readTensor(file, found, readAtOf(bytes)), found.dtype)];
}

describe('views', () => {
  const bytes = fileOf({
    whole: tensor({ count: 6, shape: [2, 3], strides: [3, 1] }),
    transposed: tensor({ count: 6, shape: [3, 2], strides: [1, 3] }),
    tail: tensor({ count: 6, offset: 4, shape: [2], strides: [1] }),
    column: tensor({ count: 6, offset: 1, shape: [2, 1, 1], strides: [3, 9, 9] }),
    cube: tensor({ count: 6, shape: [2, 1, 3], strides: [1, 7, 2] }),
    repeated: tensor({ count: 6, offset: 2, shape: [3], strides: [0] }),
    scalar: tensor({ count: 6, offset: 5, shape: [], strides: [] }),
    empty: tensor({ count: 6, shape: [0, 3], strides: [3, 1] }),
  });

  test.each<[string, boolean, number[]]>([
    ['whole', true, [0, 1, 2, 3, 4, 5]],
    ['transposed', false, [0, 3, 1, 4, 2, 5]],
    ['tail', true, [4, 5]],
    ['column', false, [1, 4]],
    ['cube', false, [0, 2, 4, 1, 3, 5]],
    ['repeated', false, [2, 2, 2]],
    ['scalar', true, [5]],
    ['empty', true, []],
  ])('%s of one shared storage is read in C order', async (name, contiguous, values) => {
    const found = (await open(bytes)).tensors.get(name)!;
    expect(found).toMatchObject({ contiguous, length: values.length * 4 });
    expect(await valuesOf(bytes, name)).toEqual(values);
  });

  test('a contiguous tensor says where its bytes lie in the file', async () => {
    const found = (await open(bytes)).tensors.get('tail')!;
    expect(bytes.subarray(found.offset, found.offset + found.length)).toEqual(Buffer.from(floats(4, 5)));
  });

  test('a parameter is its tensor', async () => {
    const w = tensor({ count: 6, shape: [6], strides: [1] });
    const parameter = `ctorch._utils\n_rebuild_parameter\n(${w}\x88)tR`;
    expect(await valuesOf(fileOf({ parameter }), 'parameter')).toHaveLength(6);
  });

  test('a small file cannot ask for much memory', async () => {
    const huge = tensor({ count: 6, shape: [60_000, 60_000], strides: [0, 0] });
    const file = fileOf({ huge });
    await expect(valuesOf(file, 'huge')).rejects.toThrow(/tensor huge has 14400000000 bytes, more than/);
  });
});

describe('where the state dict lies', () => {
  const w = tensor({ count: 6, shape: [6], strides: [1] });

  test.each(['state_dict', 'module', 'model', 'model_state_dict'])('%s is unwrapped', async (wrap) => {
    const file = await open(fileOf({ [wrap]: dict({ w, _extra_state: 'N' }), epoch: int(3) }));
    expect([...file.tensors.keys()]).toEqual(['w']);
    expect(file.topLevelKeys).toEqual([wrap, 'epoch']);
  });

  test('a file without tensors names its keys and what was looked for', async () => {
    const file = fileOf({ weights: dict({ w }), optimizer: dict({}) });
    await expect(open(file)).rejects.toThrow(
      'x.pth: holds no tensors in state_dict, in module, in model, in model_state_dict, or at its top level ' +
        '(top-level keys: weights, optimizer)',
    );
    const shard = fileOf({ optimizer_state_dict: dict({}), ds_version: text('0.9') });
    await expect(open(shard)).rejects.toThrow(/This is a shard of DeepSpeed: run its zero_to_fp32\.py/);
  });

  test('the names that DistributedDataParallel gives lose their prefix, as in mmcv', async () => {
    const file = await open(fileOf({ state_dict: dict({ 'module.backbone.w': w, 'head.module.w': w }) }));
    expect([...file.tensors.keys()]).toEqual(['backbone.w', 'head.module.w']);
  });

  test('a list is no checkpoint', async () => {
    await expect(open(torchZip(pickle(']')))).rejects.toThrow(
      'x.pth: holds a list, not the dict of a checkpoint',
    );
  });
});

describe('damage', () => {
  const w = tensor({ count: 6, shape: [2, 3], strides: [3, 1] });

  test.each([
    [
      'a view beyond its storage',
      tensor({ count: 6, offset: 1, shape: [2, 3], strides: [3, 1] }),
      /tensor w/,
    ],
    ['a stride beyond its storage', tensor({ count: 6, shape: [2, 2], strides: [5, 1] }), /tensor w/],
    [
      'sizes beyond all numbers',
      tensor({ count: 6, shape: Array(64).fill(60_000), strides: Array(64).fill(0) }),
      /tensor w/,
    ],
    [
      'a storage that is not there',
      tensor({ storage: '7', count: 6, shape: [6], strides: [1] }),
      /w lies in data\/7/,
    ],
    ['too few strides', tensor({ count: 6, shape: [2, 3], strides: [1] }), /2 sizes and 1 strides/],
  ])('%s is named', async (_name, opcodes, message) => {
    await expect(open(fileOf({ w: opcodes }))).rejects.toThrow(message);
  });

  test('a storage shorter than it says is named', async () => {
    await expect(open(fileOf({ w }, { 'data/0': floats(0, 1, 2) }))).rejects.toThrow(
      'x.pth: tensor w of shape [2, 3] needs 6 elements of its storage, but archive/data/0 has 3',
    );
  });

  test('big-endian files are refused', async () => {
    const file = fileOf({ w }, { 'data/0': six, byteorder: Buffer.from('big') });
    await expect(open(file)).rejects.toThrow('x.pth: has byte order "big", but only "little" is read');
  });

  test('a TorchScript archive is refused as a program', async () => {
    const file = fileOf({ w }, { 'data/0': six, 'constants.pkl': pickle('N') });
    await expect(open(file)).rejects.toThrow(/TorchScript/);
  });
});

describe('files of other kinds are refused by their kind', () => {
  test.each<[RegExp, Uint8Array]>([
    [/empty/, new Uint8Array(0)],
    [/HTML page/, Buffer.from('\n<!DOCTYPE html><html>')],
    [/XML document/, Buffer.from('<?xml version="1.0"?><Error>')],
    [/Git LFS pointer/, Buffer.from('version https://git-lfs.example/spec/v1\n')],
    [/gzip/, Buffer.from([0x1f, 0x8b, 8, 0])],
    [/HDF5/, Buffer.from('\x89HDF\r\n', 'latin1')],
    [/tar archive/, Buffer.from(`${'n\0'.padEnd(257, '\0')}ustar\0`)],
    [/bare pickle/, Buffer.from('\x80\x04\x95\0', 'latin1')],
    [/old format/, Buffer.from('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.', 'latin1')],
    [/JSON/, Buffer.from('{"a": 1}')],
    [/zeros only/, Buffer.alloc(600)],
    [/neither a safetensors file nor a zip archive/, Buffer.from('hello')],
  ])('%s', async (kind, bytes) => {
    const failure = await open(bytes).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(kind);
    expect(failure.message).toMatch(/^x\.pth: /);
  });
});
