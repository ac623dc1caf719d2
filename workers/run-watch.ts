import { setTimeout as sleep } from 'node:timers/promises';

/** What a look at a run gave. */
export type Look = 'open' | 'closed' | 'unanswered';
/** What a worker does about it. */
export type Verdict = 'stay' | 'run-over' | 'temporal-away';

const LOOK_EVERY_MS = 20_000;
/** An upgrade of Temporal takes minutes; a GPU that waits for longer is wasted. */
const PATIENCE_MS = 10 * 60_000;

export interface RunWatch {
  /** Whether the run is still open. @throws if Temporal doesn't tell */
  isOpen(): Promise<boolean>;
  /** Called once, if the worker shall go. */
  onLeave(verdict: Exclude<Verdict, 'stay'>): void;
  lookEveryMs?: number;
  patienceMs?: number;
}

/** @param silentMs since Temporal's last answer */
export function judge(look: Look, silentMs: number, patienceMs = PATIENCE_MS): Verdict {
  if (look === 'closed') return 'run-over';
  return look === 'unanswered' && silentMs >= patienceMs ? 'temporal-away' : 'stay';
}

/**
 * Looks at a worker's run from time to time: whatever becomes of those who should end its workers, no GPU serves a
 * run that is over. Ends when aborted; the waiting keeps no process alive.
 */
export async function watchRun(
  { isOpen, onLeave, lookEveryMs = LOOK_EVERY_MS, patienceMs = PATIENCE_MS }: RunWatch,
  signal: AbortSignal,
): Promise<void> {
  let answeredAtMs = performance.now();
  while (!signal.aborted) {
    // 200 workers of a run shall not ask all at once.
    const pauseMs = lookEveryMs * (0.75 + Math.random() / 2);
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return;
    const look: Look = await isOpen().then(
      (open) => (open ? 'open' : 'closed'),
      () => 'unanswered',
    );
    if (look !== 'unanswered') answeredAtMs = performance.now();
    const verdict = judge(look, performance.now() - answeredAtMs, patienceMs);
    if (verdict === 'stay' || signal.aborted) continue;
    onLeave(verdict);
    return;
  }
}
