import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Time of one kept peak, and how many are kept: more than two days. */
const EVERY_MS = 100;
const KEPT = 2_000_000;

/**
 * Watches this process's memory: the peak of what is its own (RssAnon), by time. Mapped files (weights in the page
 * cache) are not in it: the system takes those back when it needs room. Linux only; elsewhere all is 0.
 */
export class MemoryWatch implements AsyncDisposable {
  readonly #peaksKb = new Int32Array(new SharedArrayBuffer(4 * KEPT));
  readonly #began = Date.now();
  readonly #thread: Worker | null;

  constructor() {
    const workerData = { peaksKb: this.#peaksKb, began: this.#began, everyMs: EVERY_MS };
    this.#thread = existsSync('/proc/self/status')
      ? new Worker(new URL('./memory-thread.mjs', import.meta.url), { workerData })
      : null;
  }

  /** Peak of anonymous memory between two times of `Date.now()`, bytes. */
  peakBytes(fromMs: number, toMs: number): number {
    const place = (ms: number) => Math.max(0, Math.floor((ms - this.#began) / EVERY_MS));
    const from = place(fromMs);
    const to = Math.min(place(toMs), KEPT - 1);
    let peak = to >= place(Date.now()) - 1 ? statusKb('RssAnon') : 0;
    for (let i = from; i <= to; i++) peak = Math.max(peak, Atomics.load(this.#peaksKb, i));
    return 1024 * peak;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate();
  }
}

/** Most that the process has had resident so far, mapped files included, bytes. */
export function residentPeakBytes(): number {
  return 1024 * statusKb('VmHWM');
}

function statusKb(field: string): number {
  if (!existsSync('/proc/self/status')) return 0;
  const text = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
