import { REACTIONS } from '../core/config/failures.ts';

/** The `tessera` command's exit codes. None ever changes its meaning: scripts rely on them. */
export const EXIT_CODES = [
  { code: 0, name: 'Ok', means: 'done' },
  { code: 1, name: 'Unexpected', means: REACTIONS.Unexpected.means },
  { code: 2, name: 'Usage', means: 'no such command, option or value: nothing was done' },
  { code: 3, name: 'BadInput', means: REACTIONS.BadInput.means },
  { code: 4, name: 'BadData', means: REACTIONS.BadData.means },
  { code: 5, name: 'OutOfMemory', means: REACTIONS.OutOfMemory.means },
  { code: 6, name: 'Unavailable', means: REACTIONS.Unavailable.means },
  { code: 7, name: 'WorkerLost', means: REACTIONS.WorkerLost.means },
  { code: 8, name: 'FleetLost', means: REACTIONS.FleetLost.means },
  { code: 10, name: 'GateNotMet', means: 'the run is done, and its mIoU is below --min-miou' },
  { code: 9, name: 'BudgetSpent', means: REACTIONS.BudgetSpent.means },
  { code: 130, name: 'Cancelled', means: 'the run was cancelled, by Ctrl-C or by somebody else' },
] as const;

export type ExitName = (typeof EXIT_CODES)[number]['name'];

export function exitCode(name: ExitName): number {
  return EXIT_CODES.find((entry) => entry.name === name)!.code;
}
