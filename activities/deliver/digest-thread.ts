import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { serveThread } from '../serve-thread.ts';
import type { DigestExchange, HashedRange } from './digest.ts';

/* Hashes ranges of a file while it is being written: reads behind the front, and waits at it. */

/** Fits a core's cache: what was read is hashed while it is still there. */
const BLOCK_BYTES = 1 << 20;

serveThread<DigestExchange>(async ({ file, ranges, front }) => {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);

  function digest(fd: number, { offset, length, prefix }: HashedRange): string {
    const hash = createHash('sha256');
    if (prefix) hash.update(prefix);
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const reach = Math.min(end, waitFor(front, at));
      const read = readSync(fd, block, 0, Math.min(BLOCK_BYTES, reach - at), at);
      if (read === 0) throw new Error(`${file}: ends at ${at}, expected ${end} bytes`);
      hash.update(block.subarray(0, read));
      at += read;
    }
    return hash.digest('hex');
  }

  return {
    ready: undefined,
    async ask() {
      const fd = openSync(file, 'r');
      try {
        return { value: ranges.map((range) => digest(fd, range)) };
      } finally {
        closeSync(fd);
      }
    },
  };
});

/** The front, once it is beyond an offset. */
function waitFor(front: BigInt64Array, offset: number): number {
  for (;;) {
    const reached = Atomics.load(front, 0);
    if (reached > BigInt(offset)) return Number(reached);
    Atomics.wait(front, 0, reached);
  }
}
