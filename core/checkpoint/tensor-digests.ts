/** A digest under way, such as node:crypto's. */
export interface Hash {
  update(bytes: Uint8Array): unknown;
  digest(encoding: 'hex'): string;
}

/**
 * Digests of tensors out of one pass over their file: feed it the file's bytes in order.
 * Tensors may overlap, as views of one storage do.
 *
 * @param tensors names and byte ranges
 */
export function tensorDigests(
  tensors: readonly { name: string; offset: number; length: number }[],
  newHash: () => Hash,
): { update(bytes: Uint8Array): void; digests(): Map<string, string> } {
  const waiting = tensors.toSorted((a, b) => a.offset - b.offset);
  const done = new Map<string, string>();
  let active: { name: string; offset: number; end: number; hash: Hash }[] = [];
  let at = 0;
  let next = 0;
  return {
    update(bytes) {
      const end = at + bytes.length;
      for (; next < waiting.length && waiting[next]!.offset < end; next++) {
        const { name, offset, length } = waiting[next]!;
        active.push({ name, offset, end: offset + length, hash: newHash() });
      }
      for (const tensor of active) {
        tensor.hash.update(
          bytes.subarray(Math.max(0, tensor.offset - at), Math.min(bytes.length, tensor.end - at)),
        );
        if (tensor.end <= end) done.set(tensor.name, tensor.hash.digest('hex'));
      }
      active = active.filter((tensor) => tensor.end > end);
      at = end;
    },
    /** Of the tensors that have been seen whole; empty ones at the very end of the file are. */
    digests() {
      for (const { name, length } of waiting)
        if (length === 0 && !done.has(name)) done.set(name, newHash().digest('hex'));
      return done;
    },
  };
}
