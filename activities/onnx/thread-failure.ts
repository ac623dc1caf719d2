import { type FailureClass, TypedFailure } from '../../core/config/failures.ts';

/** How a failure leaves a thread: an error's class would be lost on the way. */
export interface ThreadFailure {
  type: 'failed';
  failureClass: FailureClass | null;
  message: string;
}

export function threadFailure(error: unknown): ThreadFailure {
  return {
    type: 'failed',
    failureClass: error instanceof TypedFailure ? error.failureClass : null,
    message: error instanceof Error ? error.message : String(error),
  };
}

/** The error again, on the other side. */
export function errorOf({ failureClass, message }: ThreadFailure): Error {
  return failureClass ? new TypedFailure(failureClass, message) : new Error(message);
}
