import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readTensor } from '../../../core/checkpoint/torch-file.ts';
import { createZipWriter } from '../../../core/checkpoint/zip-writer.ts';
import { dict, floats, open, pickle, readAtOf, tensor, torchZip } from './hand-made.ts';

const dataPkl = pickle(dict({ w: tensor({ count: 2, shape: [2], strides: [1] }) }));
const two = floats(1, 2);

interface HandMade {
  /** zip64 numbers in the directory: none, the offset only, all, or all although the short fields hold them. */
  zip64?: 'no' | 'offset' | 'all' | 'needless';
  method?: number;
  flags?: number;
  comment?: string;
  twice?: boolean;
}

/** A zip archive by hand, independent of our writer; only the last entry gets the odd form. */
function handMadeZip({ zip64 = 'no', method = 0, flags = 0, comment = '', twice = false }: HandMade): Buffer {
  const last: [string, Uint8Array] = ['a/data/0', two];
  const entries: [string, Uint8Array][] = [['a/data.pkl', dataPkl], ...(twice ? [last] : []), last];
  const parts: Buffer[] = [];
  const records: Buffer[] = [];
  let at = 0;
  for (const [index, [name, data]] of entries.entries()) {
    const odd = index === entries.length - 1;
    const stored = odd && method === 8 ? deflateRawSync(data) : Buffer.from(data);
    const local = Buffer.alloc(30 + name.length + 5);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(5, 28); // an extra field that the directory lacks
    local.write(name, 30);

    const form = odd ? zip64 : 'no';
    const numbers = form === 'no' ? [] : form === 'offset' ? [at] : [data.length, stored.length, at];
    const extra = Buffer.alloc(numbers.length === 0 ? 0 : 8 + 4 + 8 * numbers.length);
    if (numbers.length > 0) {
      extra.writeUInt16LE(0x9999, 0); // another extra field before it
      extra.writeUInt16LE(4, 2);
      extra.writeUInt16LE(1, 8);
      extra.writeUInt16LE(8 * numbers.length, 10);
      for (const [i, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 12 + 8 * i);
    }
    const record = Buffer.alloc(46 + name.length);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(odd ? flags : 0, 8);
    record.writeUInt16LE(odd ? method : 0, 10);
    record.writeUInt32LE(form === 'all' ? 0xffffffff : stored.length, 20);
    record.writeUInt32LE(form === 'all' ? 0xffffffff : data.length, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(form === 'all' || form === 'offset' ? 0xffffffff : at, 42);
    record.write(name, 46);
    records.push(record, extra);
    parts.push(local, stored);
    at += local.length + stored.length;
  }
  const directory = Buffer.concat(records);
  const tail: Buffer[] = [];
  if (zip64 !== 'no') {
    const wide = Buffer.alloc(76);
    wide.writeUInt32LE(0x06064b50, 0);
    wide.writeBigUInt64LE(44n, 4);
    wide.writeBigUInt64LE(BigInt(entries.length), 24);
    wide.writeBigUInt64LE(BigInt(entries.length), 32);
    wide.writeBigUInt64LE(BigInt(directory.length), 40);
    wide.writeBigUInt64LE(BigInt(at), 48);
    wide.writeUInt32LE(0x07064b50, 56);
    wide.writeBigUInt64LE(BigInt(at + directory.length), 64);
    wide.writeUInt32LE(1, 72);
    tail.push(wide);
  }
  const end = Buffer.alloc(22);
  const short = zip64 === 'no' || zip64 === 'needless';
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(short ? entries.length : 0xffff, 10);
  end.writeUInt32LE(short ? directory.length : 0xffffffff, 12);
  end.writeUInt32LE(short ? at : 0xffffffff, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, directory, ...tail, end, Buffer.from(comment)]);
}

async function readBack(bytes: Uint8Array) {
  const file = await open(bytes);
  return readTensor(file, file.tensors.get('w')!, readAtOf(bytes));
}

describe('forms of a zip archive', () => {
  test.each<[string, HandMade]>([
    ['without zip64', {}],
    ['with zip64 numbers for the offset only', { zip64: 'offset' }],
    ['with zip64 numbers for all', { zip64: 'all' }],
    ['with zip64 records that a small file would not need', { zip64: 'needless' }],
    ['with a comment at the end', { comment: 'PK\x05\x06 looks like an end record, and is none' }],
  ])('%s is read', async (_name, form) => {
    expect(Buffer.from(await readBack(handMadeZip(form)))).toEqual(Buffer.from(two));
  });

  test('what our writer makes with zip64 records everywhere is read', async () => {
    const file = torchZip(dataPkl, { 'data/0': two }, { zip: createZipWriter(0) });
    expect(Buffer.from(await readBack(file))).toEqual(Buffer.from(two));
  });

  test.each<[string, HandMade, RegExp]>([
    ['compressed', { method: 8 }, /^x\.pth: zip entry a\/data\/0 is compressed \(deflate\).*torch\.save/],
    ['compressed otherwise', { method: 12 }, /a\/data\/0 is compressed \(method 12\)/],
    ['encrypted', { flags: 1 }, /a\/data\/0 is encrypted/],
    ['there twice', { twice: true }, /two zip entries are named a\/data\/0/],
  ])('an entry that is %s is refused by name', async (_name, form, message) => {
    await expect(open(handMadeZip(form))).rejects.toThrow(message);
  });

  test('an archive of other files is no checkpoint', async () => {
    const zip = createZipWriter();
    const npz = Buffer.concat([zip.begin('arr_0.npy', 0), zip.end(), zip.finish()]);
    await expect(open(npz)).rejects.toThrow(/zip archive without a data\.pkl.*arr_0\.npy/);
  });
});

describe('directories that lie', () => {
  const good = handMadeZip({});
  const wide = handMadeZip({ zip64: 'needless' });
  const directoryAt = good.readUInt32LE(good.length - 6);

  /** The archive with one field overwritten. */
  function forged(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  }

  test.each<[string, Buffer, RegExp]>([
    ['more entries than fit', forged(good, (b) => b.writeUInt16LE(9, b.length - 12)), /record 2 .* damaged/],
    [
      'more entries than the limit',
      forged(wide, (b) => b.writeBigUInt64LE(10n ** 9n, b.length - 22 - 76 + 32)),
      /1000000000 entries/,
    ],
    [
      'a number that no file has',
      forged(wide, (b) => b.writeBigUInt64LE(2n ** 60n, b.length - 22 - 76 + 40)),
      /zip64 field says/,
    ],
    [
      'an entry outside of the file',
      forged(good, (b) => b.writeUInt32LE(10 ** 9, directoryAt + 42)),
      /truncated/,
    ],
    [
      'an entry of the directory itself',
      forged(good, (b) => b.writeUInt32LE(directoryAt, directoryAt + 42)),
      /header/,
    ],
    [
      'an entry that reaches into the directory',
      forged(good, (b) => {
        b.writeUInt32LE(9_999, directoryAt + 20);
        b.writeUInt32LE(9_999, directoryAt + 24);
      }),
      /reaches into the directory/,
    ],
    ['a directory behind the end', forged(good, (b) => b.writeUInt32LE(10 ** 9, b.length - 6)), /truncated/],
  ])('%s', async (_name, bytes, message) => {
    const failure = await open(bytes).catch((error) => error);
    expect(failure).toMatchObject({ failureClass: 'BadData' });
    expect(failure.message).toMatch(message);
  });
});
