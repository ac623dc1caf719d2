import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { asTyped, mayPass, nextTry, TypedFailure, Unavailable } from '../core/config/failures.ts';

/** Interval of heartbeats, which show that an activity runs. */
const HEARTBEAT_EVERY_MS = 1_000;
/** A service that asks for more patience than this is asked again sooner. */
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * Why an activity must stop: the run requested it; this worker stops; or the server no longer waits for this attempt,
 * because the run is closed, or the attempt counts as lost and another one may run.
 */
export type StopReason = 'run-cancelled' | 'worker-stopping' | 'attempt-over';

/** Temporal's part of a running activity, for code that doesn't know Temporal. */
export interface Beat {
  attempt: number;
  /** Aborted when the activity must stop; `stopReason` then gives the reason. */
  signal: AbortSignal;
  /** Null until `signal` is aborted. */
  stopReason(): StopReason | null;
  /** Details of the next heartbeat; the latest ones count. */
  heartbeat(details: unknown): void;
}

export interface ActivityOptions {
  /** Failure message for a user if this worker is stopped during the activity. */
  onWorkerStop?: string;
  /** The work ends by its signal, and is waited for: nothing of it may continue after the activity. */
  endsBySignal?: boolean;
}

/**
 * Runs an activity's work: heartbeats are sent by themselves, and failures get the type and the retry rule
 * that their class asks for.
 */
export async function asActivity<T>(
  work: (beat: Beat) => Promise<T>,
  { onWorkerStop = 'the control worker was told to stop', endsBySignal = false }: ActivityOptions = {},
): Promise<T> {
  const context = Context.current();
  // Until this attempt has news, what the one before it knew isn't lost.
  let details: unknown = context.info.heartbeatDetails;
  let isReported = false;
  const timer = setInterval(() => context.heartbeat(details), HEARTBEAT_EVERY_MS);
  const stopReason = () => stopReasonOf(context);
  try {
    const running = work({
      attempt: context.info.attempt,
      signal: context.cancellationSignal,
      stopReason,
      heartbeat: (latest) => {
        details = latest;
        // The first details are sent at once: they name the worker, which may be lost within a second.
        if (!isReported) context.heartbeat(details);
        isReported = true;
      },
    });
    if (endsBySignal) {
      const result = await running;
      if (stopReason()) await context.cancelled; // Rejects, and says so.
      return result;
    }
    // Work that doesn't look at the signal is left behind: a cancelled run must not wait for it.
    running.catch(() => {});
    return await Promise.race([running, context.cancelled]);
  } catch (error) {
    // To the run, a worker that goes is one that is lost; a bare cancellation would look like the user's.
    if (stopReason() === 'worker-stopping')
      throw toApplicationFailure(new TypedFailure('WorkerLost', onWorkerStop, { cause: error }), context);
    throw toApplicationFailure(error, context);
  } finally {
    clearInterval(timer);
  }
}

function stopReasonOf({ cancellationSignal, cancellationDetails }: Context): StopReason | null {
  if (!cancellationSignal.aborted) return null;
  if (cancellationDetails?.cancelRequested) return 'run-cancelled';
  return cancellationDetails?.workerShutdown ? 'worker-stopping' : 'attempt-over';
}

function toApplicationFailure(error: unknown, { info, cancellationSignal }: Context): unknown {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  // What breaks while it stops is no news.
  if (!(error instanceof TypedFailure) && cancellationSignal.aborted) return error;
  const failure = asTyped(error, info.activityType);
  const { failureClass, message, cause } = failure;
  // An unforeseen error has no explanation but its stack, which people look for in the log.
  if (failureClass === 'Unexpected') console.error(`${message}\n${stackOf(cause)}`);
  return ApplicationFailure.create({
    message,
    type: failureClass,
    nonRetryable: !mayPass(failureClass) || (failureClass === 'Unexpected' && isLastTry(info.attempt)),
    ...(failure instanceof Unavailable && failure.retryAfterMs !== undefined
      ? { nextRetryDelay: Math.min(failure.retryAfterMs, MAX_RETRY_AFTER_MS) }
      : {}),
    ...(cause instanceof Error ? { cause } : {}),
  });
}

/** Of an unforeseen error: every attempt is taken for one that failed in this way. */
function isLastTry(attempt: number): boolean {
  return nextTry(Array.from({ length: attempt }, () => ({ class: 'Unexpected' }))) === null;
}

function stackOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
