import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from '@temporalio/worker';
import { BadInput, TypedFailure } from '../core/config/failures.ts';
import { EXIT_MISCONFIGURED } from '../core/config/worker-exit.ts';

/** Temporal's worker gets so long to stop by itself: kubelets and our launcher kill after a few seconds. */
const STOP_WITHIN_MS = 2_000;
const CLEAN_UP_WITHIN_MS = 1_000;

type StopSignal = 'SIGINT' | 'SIGTERM';

/** A worker program's life. */
export interface Life {
  /**
   * Serves until the worker is shut down, or a signal asks for it.
   *
   * @param cleanUp ends what else runs in this process; it is called once, whatever ends it
   */
  serve(worker: Worker, cleanUp: () => Promise<void>): Promise<void>;
}

/**
 * Runs a worker program to its end, which the exit code reports: 0 if it was done, 143 or 130 after SIGTERM or
 * SIGINT (as if the signal had ended it), 64 if it is misconfigured, 1 otherwise. A mistake of the user's
 * is one sentence on stderr.
 */
export async function runProgram(main: (life: Life) => Promise<void>): Promise<never> {
  let worker: Worker | null = null;
  let cleanUp = async () => {};
  let received: StopSignal | null = null;
  const onSignal = (signal: StopSignal) => {
    if (received) return;
    received = signal;
    console.log(`${signal}: stopping`);
    if (worker?.getState() !== 'RUNNING') return void endBy(signal, cleanUp);
    worker.shutdown();
    // Without Temporal it would try to report for a long time.
    setTimeout(() => endBy(signal, cleanUp), STOP_WITHIN_MS);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await main({
      async serve(served, end) {
        worker = served;
        cleanUp = once(end);
        try {
          await served.run();
        } finally {
          if (received) await endBy(received, cleanUp);
          await cleanUp();
        }
      },
    });
  } catch (error) {
    console.error(error instanceof TypedFailure ? `✗ ${error.message}` : error);
    process.exit(error instanceof BadInput ? EXIT_MISCONFIGURED : 1);
  }
  process.exit(0);
}

/**
 * Ends this process as a signal that nobody handles would. Not by an exit code of its own: `process.exit` waits for
 * the inference thread's batch, and aborts in the middle of it (docs/decisions/0006).
 */
async function endBy(signal: StopSignal, cleanUp: () => Promise<void>): Promise<never> {
  const clean = cleanUp().catch(console.error);
  await Promise.race([clean, sleep(CLEAN_UP_WITHIN_MS)]);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Still here: this is a container's first process, which the kernel spares such signals. The batch must be waited for.
  await clean;
  process.exit(128 + os.constants.signals[signal]);
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= action();
    return done;
  };
}
