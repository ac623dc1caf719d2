import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import { CAUSES, causeText } from '../core/config/fleet.ts';
import { type Classified, classify } from './failure.ts';
import type { FleetView } from './fleet-view.ts';

/** A failure as it is reported; of a worker that went in mid-work: its launcher saw why. */
export async function withCause(error: unknown, fleet: FleetView): Promise<Classified> {
  const failure = classify(error);
  const worker = failure.class === 'WorkerLost' ? workerOf(error) : null;
  if (!worker) return failure;
  const cause = await fleet.causeOfDeath(worker);
  // A worker that could still say why it goes knows more than its exit code does.
  if (!cause || (cause.kind === 'crashed' && saysWhy(error)))
    return failure.message.startsWith(worker)
      ? failure
      : { ...failure, message: `${worker}: ${failure.message}` };
  const outOfMemory = CAUSES[cause.kind].reaction === 'smaller-batch';
  return {
    class: outOfMemory ? 'OutOfMemory' : 'WorkerLost',
    message: `${worker}: ${causeText(cause)}`,
  };
}

function saysWhy(error: unknown): boolean {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure;
}

/** Who was at work on what failed. */
function workerOf(error: unknown): string | null {
  if (!(error instanceof ActivityFailure)) return null;
  const { cause } = error;
  const details = cause instanceof TimeoutFailure ? cause.lastHeartbeatDetails : undefined;
  return error.identity || (details as { worker?: string } | undefined)?.worker || null;
}
