import { widenHalf } from '../checkpoint/tensor-data.ts';
import type { TrainConfig } from '../config/train.ts';

/** Data types that features are stored and sent in. */
export type FeatureType = TrainConfig['features'];

export const FEATURE_BYTES: Record<FeatureType, number> = { float32: 4, float16: 2, bfloat16: 2 };

/**
 * Encodes features in their type, little-endian. The features graph has rounded them to the type; other values are
 * truncated.
 *
 * @param out buffer for types of two bytes; as many elements as `features`
 * @returns the memory of `out`, or of `features`
 */
export function encodeFeatures(
  features: Float32Array,
  type: FeatureType,
  out = new Uint16Array(features.length),
): Uint8Array {
  const { buffer, byteOffset, byteLength, length } = features;
  if (type === 'float32') return new Uint8Array(buffer, byteOffset, byteLength);
  if (type === 'bfloat16') upperHalves(new Uint16Array(buffer, byteOffset, 2 * length), out);
  else halves(new Int32Array(buffer, byteOffset, length), out);
  return new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
}

/**
 * Decodes features, bit for bit.
 *
 * @param out as many elements as are in `bytes`
 * @throws RangeError if it has more or fewer
 */
export function decodeFeatures(bytes: Uint8Array, type: FeatureType, out: Float32Array): void {
  const { buffer, byteOffset, byteLength, length } = out;
  if (bytes.length !== length * FEATURE_BYTES[type])
    throw new RangeError(`${bytes.length} bytes for ${length} features of ${type}`);
  if (type === 'float32') {
    new Uint8Array(buffer, byteOffset, byteLength).set(bytes);
    return;
  }
  // A typed array must start at a multiple of its element size; a message's field need not. (Buffer's slice does not
  // copy.)
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const source = new Uint16Array(aligned.buffer, aligned.byteOffset, length);
  const bits = new Int32Array(buffer, byteOffset, length);
  if (type === 'bfloat16') widenUpperHalves(source, bits);
  else widenHalves(source, bits);
}

/*
 * The loops over millions of elements are separate functions on integers: V8's code for one common function is three
 * times slower. A bfloat16 is a float32's upper half.
 */

function upperHalves(words: Uint16Array, out: Uint16Array): void {
  for (let i = 0; i < out.length; i++) out[i] = words[2 * i + 1]!;
}

function widenUpperHalves(source: Uint16Array, bits: Int32Array): void {
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
}

function halves(bits: Int32Array, out: Uint16Array): void {
  for (let i = 0; i < bits.length; i++) out[i] = halfOf(bits[i]!);
}

function widenHalves(source: Uint16Array, bits: Int32Array): void {
  for (let i = 0; i < source.length; i++) bits[i] = WIDENED[source[i]!]!;
}

/** Converts the bits of a float32 to float16, for values that float16 can represent. @see IEEE 754-2019, 3.4 */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent > 0 && exponent < 31) return sign | (exponent << 10) | (fraction >>> 13);
  // Infinity and NaN.
  if (exponent >= 31) return sign | 0x7c00 | (fraction >>> 13);
  // A subnormal float16: float32's hidden leading one becomes explicit.
  return exponent < -10 ? sign : sign | ((fraction | 0x800000) >>> (14 - exponent));
}

/** The float32 bits of each float16: the table is three times faster than branches. */
const WIDENED = Int32Array.from({ length: 1 << 16 }, (_, half) => widenHalf(half));
