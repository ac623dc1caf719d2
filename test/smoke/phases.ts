import { MemoryWatch } from './memory.ts';

export interface Phase {
  name: string;
  seconds: number;
  /** Most anonymous memory during the phase. */
  peakBytes: number;
  notes: string;
}

export interface PhaseHooks {
  onPhase(phase: Phase): void;
  onStep(text: string): void;
}

/** Times phases, and watches their memory. */
export class Phases implements AsyncDisposable {
  readonly #memory = new MemoryWatch();
  readonly #hooks: PhaseHooks;
  /** Most anonymous memory of all phases. */
  peakBytes = 0;

  constructor(hooks: PhaseHooks) {
    this.#hooks = hooks;
  }

  async run<T>(name: string, work: () => Promise<{ value: T; notes: string }>): Promise<T> {
    this.#hooks.onStep(name);
    const start = performance.now();
    const { value, notes } = await work();
    this.add({ name, notes, seconds: (performance.now() - start) / 1000 }, Date.now());
    return value;
  }

  /** A phase that has been timed elsewhere. @param endMs by `Date.now()` */
  add(phase: Omit<Phase, 'peakBytes'>, endMs: number): void {
    const peakBytes = this.#memory.peakBytes(endMs - 1000 * phase.seconds, endMs);
    this.peakBytes = Math.max(this.peakBytes, peakBytes);
    this.#hooks.onPhase({ ...phase, peakBytes });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#memory[Symbol.asyncDispose]();
  }
}

export function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
