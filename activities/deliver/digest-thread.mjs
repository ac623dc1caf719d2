/*
 * Hashes segments of a file while it is being written: reads behind the front, and waits at it.
 * Plain JavaScript, since a worker thread doesn't inherit its parent's loaders and this one must start at once.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/** Fits a core's cache: what was read is hashed while it is still there. */
const BLOCK_BYTES = 1 << 20;

/** `front[0]`: everything that is needed below this offset has been written. */
const { file, segments, front } = workerData;
const block = Buffer.allocUnsafe(BLOCK_BYTES);
const fd = openSync(file, 'r');
const digests = [];
for (const { offset, length, prefix } of segments) {
  const hash = createHash('sha256');
  if (prefix) hash.update(prefix);
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const reach = Math.min(end, waitFor(at));
    const read = readSync(fd, block, 0, Math.min(BLOCK_BYTES, reach - at), at);
    if (read === 0) throw new Error(`${file}: ends at ${at}, expected ${end} bytes`);
    hash.update(block.subarray(0, read));
    at += read;
  }
  digests.push(hash.digest('hex'));
}
closeSync(fd);
parentPort.postMessage(digests);

/** The front, once it is beyond an offset. */
function waitFor(offset) {
  for (;;) {
    const reached = Atomics.load(front, 0);
    if (reached > BigInt(offset)) return Number(reached);
    Atomics.wait(front, 0, reached);
  }
}
