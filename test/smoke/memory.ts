import { existsSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/**
 * Watches this process's memory: the peak of what is its own (RssAnon), phase by phase. Mapped files (weights in the
 * page cache) are not in it: the system takes those back when it needs room. Linux only; elsewhere all is 0.
 */
export class MemoryWatch implements AsyncDisposable {
  readonly #peakKb = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker | null;

  constructor() {
    const workerData = { peakKb: this.#peakKb };
    this.#thread = existsSync('/proc/self/status')
      ? new Worker(new URL('./memory-thread.mjs', import.meta.url), { workerData })
      : null;
  }

  /** Peak of anonymous memory since the last call, bytes. */
  takePeakBytes(): number {
    return 1024 * Math.max(Atomics.exchange(this.#peakKb, 0, 0), statusKb('RssAnon'));
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
