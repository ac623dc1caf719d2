import { describe, expect, test } from 'vitest';
import { toFloat32 } from '../../../core/checkpoint/torch-file.ts';

/** The value of a float16's bits by the textbook, NaN left out. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('widening to float32', () => {
  const all = new Uint8Array(Uint16Array.from({ length: 65_536 }, (_, index) => index).buffer);

  test('every float16 keeps its value, subnormals and signed zero included', () => {
    const floats = toFloat32(all, 'float16');
    const wrong = [...floats.keys()].filter((bits) => !Object.is(floats[bits], halfValue(bits)));
    expect(wrong).toEqual([]);
  });

  test('a float16 NaN keeps its sign and payload', () => {
    const bits = new Uint32Array(toFloat32(all, 'float16').buffer);
    expect(bits[0xfe01]).toBe(0xffc02000);
    expect(bits[0x7c01]).toBe(0x7f802000);
  });

  test('every bfloat16 is the upper half of a float32', () => {
    const bits = new Uint32Array(toFloat32(all, 'bfloat16').buffer);
    expect([...bits.keys()].filter((index) => bits[index] !== index * 65_536)).toEqual([]);
  });

  test('float64 is rounded to nearest', () => {
    const values = [0.1, -1e300, 2 ** -149, 1 + 2 ** -24];
    const floats = toFloat32(new Uint8Array(Float64Array.from(values).buffer), 'float64');
    expect([...floats]).toEqual(values.map(Math.fround));
  });

  test('float32 is read at any alignment', () => {
    const shifted = new Uint8Array(9);
    shifted.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
    expect([...toFloat32(shifted.subarray(1), 'float32')]).toEqual([1.5, -2]);
  });

  test('integers are not floats', () => {
    expect(() => toFloat32(new Uint8Array(8), 'int64')).toThrow(/int64/);
  });
});
