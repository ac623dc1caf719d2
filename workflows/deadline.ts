import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { type TypedFailure, Unavailable } from '../core/config/failures.ts';

/** If the deadline passes, the work is given up. @throws what `passed` gives; else Unavailable, with what `why` says of it */
export async function beforeDeadline<T>(
  deadlineMs: number,
  work: () => Promise<T>,
  why: () => string,
  passed: () => TypedFailure = () =>
    new Unavailable(`the deadline of ${deadlineMs / 60_000} minutes passed ${why()}`),
): Promise<T> {
  try {
    return await CancellationScope.withTimeout(deadlineMs, work);
  } catch (error) {
    if (isCancellation(error) && !CancellationScope.current().consideredCancelled) throw passed();
    throw error;
  }
}
