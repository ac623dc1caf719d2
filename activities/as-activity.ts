import { ApplicationFailure, Context } from '@temporalio/activity';
import { REACTIONS, TypedFailure } from '../core/config/failures.ts';

/** Heartbeats say that an activity lives, whatever it is doing; the server is told at most so often. */
const HEARTBEAT_EVERY_MS = 1_000;

/** Temporal's part of a running activity, for code that doesn't know Temporal. */
export interface Beat {
  attempt: number;
  /** Aborted when the run is cancelled, or this worker is stopping. */
  signal: AbortSignal;
  /** Details of the next heartbeat; the latest ones count. */
  heartbeat(details: unknown): void;
}

/**
 * Runs an activity's work: heartbeats go on by themselves, and failures get the type and the retry rule
 * that their class asks for.
 */
export async function asActivity<T>(work: (beat: Beat) => Promise<T>): Promise<T> {
  const context = Context.current();
  let details: unknown;
  const timer = setInterval(() => context.heartbeat(details), HEARTBEAT_EVERY_MS);
  try {
    const running = work({
      attempt: context.info.attempt,
      signal: context.cancellationSignal,
      heartbeat: (latest) => {
        details = latest;
      },
    });
    // Work that doesn't look at the signal is left behind: a cancelled run must not wait for it.
    running.catch(() => {});
    return await Promise.race([running, context.cancelled]);
  } catch (error) {
    throw toApplicationFailure(error);
  } finally {
    clearInterval(timer);
  }
}

function toApplicationFailure(error: unknown): unknown {
  if (!(error instanceof TypedFailure)) return error;
  return ApplicationFailure.create({
    message: error.message,
    type: error.failureClass,
    nonRetryable: REACTIONS[error.failureClass].retry !== 'backoff',
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  });
}
