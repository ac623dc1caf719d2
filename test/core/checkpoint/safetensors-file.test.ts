import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import { TypedFailure } from '../../../core/config/failures.ts';
import { floats, readAtOf, torchZip } from './hand-made.ts';
import { safetensors, withHeader } from './hand-made-safetensors.ts';

const open = (bytes: Uint8Array) => openCheckpoint('x.safetensors', bytes.length, readAtOf(bytes));

const halves = Uint8Array.from([0x00, 0x3c, 0x00, 0xc0]);
const tensors = {
  'a.weight': { dtype: 'F32', shape: [2, 3], data: floats(1, 2, 3, 4, 5, 6) },
  'a.bias': { dtype: 'BF16', shape: [2], data: Uint8Array.from([0x80, 0x3f, 0x00, 0xc0]) },
  half: { dtype: 'F16', shape: [2, 1], data: halves },
  steps: { dtype: 'I64', shape: [], data: new Uint8Array(8) },
  empty: { dtype: 'F32', shape: [0, 3], data: new Uint8Array(0) },
  small: { dtype: 'F8_E4M3', shape: [3], data: new Uint8Array(3) },
};
const whole = safetensors(tensors, { __metadata__: { format: 'pt' } });

/** A header with one tensor of four bytes, changed. */
const oneTensor = (change: object) =>
  withHeader(JSON.stringify({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...change } }), floats(1));

describe('a safetensors file', () => {
  test('has its tensors with type, shape and place, whatever their order in the header', async () => {
    const { tensors: found, topLevelKeys, name } = await open(whole);
    expect({ name, topLevelKeys }).toEqual({ name: 'x.safetensors', topLevelKeys: [] });
    expect([...found.keys()].sort()).toEqual(['a.bias', 'a.weight', 'empty', 'half', 'steps']);
    expect(found.get('a.weight')).toMatchObject({
      dtype: 'float32',
      shape: [2, 3],
      strides: [3, 1],
      contiguous: true,
      length: 24,
    });
    const { offset, length } = found.get('half')!;
    expect(whole.subarray(offset, offset + length)).toEqual(Buffer.from(halves));
  });

  test.each([
    ['a.weight', [1, 2, 3, 4, 5, 6]],
    ['a.bias', [1, -2]],
    ['half', [1, -2]],
    ['empty', []],
  ])('gives the values of %s', async (name, values) => {
    const file = await open(whole);
    const tensor = file.tensors.get(name)!;
    expect([...toFloat32(await readTensor(file, tensor, readAtOf(whole)), tensor.dtype)]).toEqual(values);
  });

  test('says of a type that is not read what it is', async () => {
    expect([...(await open(whole)).unreadable]).toEqual([['small', 'of type F8_E4M3']]);
    const only = safetensors({ small: tensors.small });
    await expect(open(only)).rejects.toThrow(/small is of type F8_E4M3, as are all of its tensors/);
  });

  test('is opened with three reads, however many tensors it has', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`blocks.${i}`, { dtype: 'F32', shape: [1], data: floats(i) }]),
    );
    const bytes = safetensors(many);
    let reads = 0;
    const index = await openCheckpoint('x', bytes.length, async (offset, length) => {
      reads++;
      return bytes.subarray(offset, offset + length);
    });
    expect([index.tensors.size, reads]).toEqual([1000, 3]);
  });

  test('may be named as Object’s own properties are', async () => {
    const header = '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    expect([...(await open(withHeader(header, floats(1)))).tensors.keys()]).toEqual(['__proto__']);
  });
});

describe('a damaged or hostile header is refused', () => {
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  test.each<[string, RegExp, Uint8Array]>([
    ['longer than the limit', /has 100000001 bytes, more than the format's 100000000/, longHeader()],
    ['not JSON', /is not JSON/, withHeader('{"a":')],
    ['not UTF-8', /is not UTF-8/, withHeader('{"a\xff"', Buffer.from([0xff])).fill(0xff, 10, 12)],
    ['nested deeply', /nested more deeply/, withHeader(deep)],
    ['of millions of parts', /has more than 5000000 parts/, withHeader(`{"a":[${'1,'.repeat(5_000_001)}1]}`)],
    ['of too many tensors', /more than 200000 tensors/, withHeader(`{${'"a":1,'.repeat(200_002)}"b":1}`)],
    [
      'with a name twice',
      /names a tensor twice/,
      withHeader(
        '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      ),
    ],
    ['with a long name', /a name of 2000 characters/, withHeader(`{"${'n'.repeat(2000)}":1}`)],
    ['without a dtype', /gives a no dtype/, oneTensor({ dtype: 5 })],
    ['with a shape that is none', /gives a no shape/, oneTensor({ shape: [1.5] })],
    ['with a negative size', /gives a no shape/, oneTensor({ shape: [-1] })],
    ['with a range that is none', /gives a no range of bytes/, oneTensor({ data_offsets: [4, 0] })],
    [
      'with another type than its bytes',
      /of shape \[1\] and type F16 has 4 bytes, but needs 2/,
      oneTensor({ dtype: 'F16' }),
    ],
    [
      'with another shape than its bytes',
      /of shape \[2\] and type F32 has 4 bytes, but needs 8/,
      oneTensor({ shape: [2] }),
    ],
    [
      'with a gap',
      /leaves a gap before a: bytes 0 to 2 are no tensor's/,
      oneTensor({ data_offsets: [2, 6] }),
    ],
    [
      'that leaves the file',
      /truncated: its tensors need 8 bytes, but 4 lie behind/,
      oneTensor({ data_offsets: [0, 8] }),
    ],
    [
      'with an overlap',
      /puts b at byte 2, where another tensor has not ended/,
      withHeader(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}',
        floats(1),
      ),
    ],
    [
      'with bytes behind',
      /leaves the last 4 bytes of the file to no tensor/,
      Buffer.concat([oneTensor({}), floats(1)]),
    ],
    [
      'with metadata of numbers',
      /__metadata__ that is not made of texts/,
      withHeader('{"__metadata__":{"a":1}}'),
    ],
    ['without a tensor', /is a safetensors file without tensors/, withHeader('{"__metadata__":{}}')],
  ])('%s', async (_, message, bytes) => {
    const failure = await open(bytes).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(message);
    expect(failure.message).toMatch(/^x\.safetensors: /);
  });

  test('every truncation is a BadData that names the file', async () => {
    for (let length = 9; length < whole.length; length++)
      await expect(open(whole.subarray(0, length)), `first ${length} bytes`).rejects.toThrow(
        /^x\.safetensors: truncated/,
      );
  });

  test('bytes that flip give a checkpoint or a typed failure, nothing else', async () => {
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
        const damaged = Uint8Array.from(whole);
        for (const [at, mask] of flips) damaged[at] = damaged[at]! ^ mask;
        const failure = await open(damaged).then(
          () => undefined,
          (error) => error,
        );
        expect(failure === undefined || failure instanceof TypedFailure, String(failure)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});

test('a torch file is opened as one', async () => {
  await expect(open(torchZip(new Uint8Array(2), {}))).rejects.toThrow(/data\.pkl|pickle/);
});

/** Says that its header is longer than the limit, with nothing behind. */
function longHeader(): Buffer {
  const bytes = withHeader('{}');
  bytes.writeBigUInt64LE(100_000_001n);
  return bytes;
}
