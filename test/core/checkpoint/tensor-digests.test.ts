import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tensorDigests } from '../../../core/checkpoint/tensor-digests.ts';
import { sha256 } from '../../builders.ts';

const BYTES = Uint8Array.from({ length: 200 }, (_, i) => (i * 37) >>> 1);

test('each tensor gets the digest of its bytes, however the file comes in pieces', () => {
  const range = fc.tuple(fc.nat(BYTES.length), fc.nat(60)).map(([offset, length]) => ({
    offset,
    length: Math.min(length, BYTES.length - offset),
  }));
  fc.assert(
    fc.property(fc.array(range), fc.array(fc.integer({ min: 1, max: 70 })), (ranges, sizes) => {
      const tensors = ranges.map((at, i) => ({ name: `t${i}`, ...at }));
      const { update, digests } = tensorDigests(tensors, () => createHash('sha256'));
      let at = 0;
      for (const size of [...sizes, BYTES.length]) {
        update(BYTES.subarray(at, at + size));
        at = Math.min(BYTES.length, at + size);
      }
      const expected = tensors.map(({ name, offset, length }): [string, string] => [
        name,
        sha256(BYTES.subarray(offset, offset + length)),
      ]);
      expect(digests()).toEqual(new Map(expected));
    }),
  );
});

test('a tensor whose end did not come has no digest', () => {
  const { update, digests } = tensorDigests([{ name: 'a', offset: 10, length: 10 }], () =>
    createHash('sha256'),
  );
  update(BYTES.subarray(0, 19));
  expect(digests().size).toBe(0);
});
