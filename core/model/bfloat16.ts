const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to the nearest bfloat16, half to even, as PyTorch does. */
export function roundToBfloat16(value: number): number {
  float[0] = value;
  const low = bits[0]!;
  bits[0] = (low + 0x7fff + ((low >>> 16) & 1)) & 0xffff0000;
  return float[0]!;
}

/** The bits of values rounded to bfloat16, half to even. */
export function bfloat16Bits(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const word = words[i]!;
    out[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}
