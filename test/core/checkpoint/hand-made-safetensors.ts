/** A tensor to be written: the format's own name of its type, and its bytes. */
export interface HandMade {
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

/** A safetensors file as the library writes it, with whatever stands in the header beside the tensors. */
export function safetensors(tensors: Record<string, HandMade>, others: Record<string, unknown> = {}): Buffer {
  let at = 0;
  const places = Object.entries(tensors).map(([name, { dtype, shape, data }]) => {
    const begin = at;
    at += data.length;
    return [name, { dtype, shape, data_offsets: [begin, at] }];
  });
  const header = JSON.stringify({ ...others, ...Object.fromEntries(places) });
  return withHeader(header, ...Object.values(tensors).map(({ data }) => data));
}

/** A file of any header, and what lies behind it. */
export function withHeader(header: string, ...data: Uint8Array[]): Buffer {
  const bytes = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes, ...data]);
}
