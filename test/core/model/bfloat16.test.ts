import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roundToBfloat16 } from '../../../core/model/bfloat16.ts';

const view = new DataView(new ArrayBuffer(4));

function fromBits(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

/** The two bfloat16 around a float32 stand 2^16 apart in bits; the nearer one wins, of equals the even one. */
function nearest(value: number): number {
  const bits = bitsOf(value);
  const below = (bits & 0xffff0000) >>> 0;
  const above = below + 0x10000;
  const [toBelow, toAbove] = [bits - below, above - bits];
  if (toBelow !== toAbove) return fromBits(toBelow < toAbove ? below : above);
  return fromBits((below >>> 16) % 2 === 0 ? below : above);
}

test('any float32 goes to the nearest bfloat16', () => {
  const finite = fc.integer({ min: 0, max: 0xffffffff }).filter((bits) => Number.isFinite(fromBits(bits)));
  fc.assert(
    fc.property(finite, (bits) => {
      expect(roundToBfloat16(fromBits(bits))).toBe(nearest(fromBits(bits)));
    }),
    { numRuns: 2000 },
  );
});

describe('ties go to the even one', () => {
  test.each([
    ['down', 0x3f808000, 0x3f800000],
    ['up', 0x3f818000, 0x3f820000],
    ['down, negative', 0xbf808000, 0xbf800000],
    ['up over a power of two', 0x3fff8000, 0x40000000],
  ])('%s', (_, from, to) => {
    expect(bitsOf(roundToBfloat16(fromBits(from)))).toBe(to);
  });

  test('a hair above a tie is none', () => {
    expect(bitsOf(roundToBfloat16(fromBits(0x3f808001)))).toBe(0x3f810000);
  });
});

test('zeros keep their sign, infinities and NaN stay what they are', () => {
  expect(roundToBfloat16(-0)).toBe(-0);
  expect(roundToBfloat16(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
  expect(roundToBfloat16(Number.NaN)).toBeNaN();
  expect(roundToBfloat16(fromBits(0x7f7fffff))).toBe(Number.POSITIVE_INFINITY);
});
