import { TypedFailure } from '../core/config/failures.ts';
import { type ExitName, exitCode } from './exit-codes.ts';
import { explain, isTemporalAway, unexpected } from './explain.ts';
import { Cancelled, GateNotMet } from './outcomes.ts';

/** Says why the command ends, and sets its exit code. */
export function endWith(error: unknown): void {
  const explained = explain(error);
  console.error(`✗ ${explained ?? unexpected(error)}`);
  process.exitCode = exitCode(nameOf(error, explained !== null));
}

function nameOf(error: unknown, isExplained: boolean): ExitName {
  if (error instanceof TypedFailure) return error.failureClass;
  if (error instanceof GateNotMet) return 'GateNotMet';
  if (error instanceof Cancelled) return 'Cancelled';
  if (isTemporalAway(error)) return 'Unavailable';
  // A service or a machine that refuses, with what to change.
  return isExplained ? 'BadInput' : 'Unexpected';
}
