/* Looks at the process's anonymous memory while its main thread is inside of ONNX Runtime. */
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const EVERY_MS = 10;
const { peaksKb, began, everyMs } = workerData;

setInterval(() => {
  const kb = Number(/^RssAnon:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
  const at = Math.min(Math.floor((Date.now() - began) / everyMs), peaksKb.length - 1);
  if (kb > Atomics.load(peaksKb, at)) Atomics.store(peaksKb, at, kb);
}, EVERY_MS);
