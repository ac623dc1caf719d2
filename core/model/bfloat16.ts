const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Rounds to the nearest bfloat16, half to even, as PyTorch does. */
export function roundToBfloat16(value: number): number {
  float[0] = value;
  const low = bits[0]!;
  bits[0] = (low + 0x7fff + ((low >>> 16) & 1)) & 0xffff0000;
  return float[0]!;
}
