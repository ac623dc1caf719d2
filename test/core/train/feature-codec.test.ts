import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFeatures, encodeFeatures, FEATURE_BYTES } from '../../../core/train/feature-codec.ts';

const all16 = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);

test.each(['float16', 'bfloat16'] as const)('every %s goes through float32 and back unchanged', (type) => {
  const widened = new Float32Array(1 << 16);
  decodeFeatures(new Uint8Array(all16.buffer), type, widened);
  const back = encodeFeatures(widened, type);
  expect(Buffer.compare(back, new Uint8Array(all16.buffer))).toBe(0);
});

test('float16 means what IEEE 754 says', () => {
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0x8000);
  const out = new Float32Array(bits.length);
  decodeFeatures(new Uint8Array(bits.buffer), 'float16', out);
  expect([...out]).toEqual([1, -2, 65504, 2 ** -24, 2 ** -14, Number.POSITIVE_INFINITY, -0]);
});

test('float32 is sent bit for bit, from any place in a buffer', () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 1 }), fc.nat(3), (values, shift) => {
      const sent = new Uint8Array(values.byteLength + shift);
      sent.set(encodeFeatures(values, 'float32'), shift);
      const out = new Float32Array(values.length);
      decodeFeatures(sent.subarray(shift), 'float32', out);
      expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(values.buffer.slice(0)))).toBe(0);
    }),
  );
});

test('halves may begin at an odd byte of a message', () => {
  const sent = Buffer.from(Uint8Array.of(9, 0x80, 0x3f, 0x00, 0xc0).buffer);
  const out = new Float32Array(2);
  decodeFeatures(sent.subarray(1), 'bfloat16', out);
  expect([...out]).toEqual([1, -2]);
});

test.each(Object.entries(FEATURE_BYTES))('%s: a wrong number of bytes is refused', (type, bytes) => {
  const decode = () =>
    decodeFeatures(new Uint8Array(3 * bytes), type as keyof typeof FEATURE_BYTES, new Float32Array(4));
  expect(decode).toThrow(RangeError);
});
