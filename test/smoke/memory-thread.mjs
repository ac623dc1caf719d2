/* Looks at the process's anonymous memory while its main thread is inside of ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const EVERY_MS = 10;
const { peakKb } = workerData;

setInterval(() => {
  const kb = Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
  if (kb > Atomics.load(peakKb, 0)) Atomics.store(peakKb, 0, kb);
}, EVERY_MS);
