import type { Cause } from './fleet.ts';

/** A worker's exit code for settings that no retry mends, of sysexits.h: another worker would have the same ones. */
export const EXIT_MISCONFIGURED = 64;

/** Signals that a container's exit code stands for: 128 and the signal's number. */
const SIGNAL_OF: Record<number, string> = { 137: 'SIGKILL', 143: 'SIGTERM' };

/** How a worker's program ended. A launcher knows its exit code, the signal, or both. */
export interface WorkerExit {
  code: number | null;
  signal?: string | null;
  /** What the program left to be read, if anything. */
  words?: string | undefined;
}

/** The cause of death of a worker whose program ended, by whichever launcher saw it. */
export function exitCause({ code, signal, words }: WorkerExit): Cause {
  const by = signal ?? SIGNAL_OF[code ?? -1];
  const exit = code === null ? '' : `exit code ${code}`;
  const after = words ? `: ${words}` : '';
  if (by) {
    const message = `${by}${exit && ` (${exit})`}${after}`;
    return by === 'SIGTERM'
      ? { kind: 'stopped', message }
      : { kind: 'crashed', message: `killed by ${message}` };
  }
  if (code === 0) return { kind: 'finished', message: exit };
  return { kind: code === EXIT_MISCONFIGURED ? 'misconfigured' : 'crashed', message: `${exit}${after}` };
}
