import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { FAILURE_CLASSES, type FailureClass, TypedFailure } from '../core/config/failures.ts';

export interface Classified {
  class: FailureClass;
  message: string;
}

/** What kind of failure it is, in the words of who saw it. */
export function classify(error: unknown): Classified {
  const isPart = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure;
  const cause = isPart ? error.cause : error;
  if (cause instanceof TypedFailure) return { class: cause.failureClass, message: cause.message };
  if (cause instanceof TimeoutFailure)
    return {
      class: 'WorkerLost',
      message: 'the worker stopped answering in mid-work: killed, or its node lost',
    };
  if (cause instanceof ApplicationFailure) {
    const known = FAILURE_CLASSES.find((name) => name === cause.type);
    return { class: known ?? 'Unexpected', message: cause.message };
  }
  return { class: 'Unexpected', message: cause instanceof Error ? cause.message : String(cause) };
}

/** The run's failure as a user reads it first: the cause's own message and type, nothing around it. */
export function asRunFailure(error: unknown): unknown {
  if (isCancellation(error)) return error;
  const { class: type, message } = classify(error);
  const inner = error instanceof TypedFailure ? error.cause : error;
  const cause = inner instanceof TemporalFailure ? inner : undefined;
  return ApplicationFailure.create({ message, type, nonRetryable: true, ...(cause ? { cause } : {}) });
}
