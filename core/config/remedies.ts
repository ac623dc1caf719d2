import type { FailureClass } from './failures.ts';

/**
 * What a user can do about a run that ended in a failure of a class; `<id>` stands for the run. Beside `REACTIONS`, which
 * says what the run itself has done about it.
 */
export const REMEDIES: Record<FailureClass, string> = {
  BadInput:
    'Correct what the sentence names, and start the run again; one field of the config: tessera rerun <id> --cfg-options KEY=VALUE.',
  BadData:
    'Replace the file that the sentence names and stage it again: tessera stage dataset … --check lists every problem at once. Then: tessera rerun <id>.',
  OutOfMemory:
    'Give the workers more memory, or send smaller batches: tessera rerun <id> --cfg-options run.batch=1.',
  Unavailable:
    'Nothing is wrong with the run. Check the service that the sentence names, then: tessera rerun <id>. A training resumes from its last checkpoint if it keeps its id.',
  WorkerLost:
    'Look at what the worker said last: tessera logs <id>. A GPU that fails again and again belongs out of the cluster; then: tessera rerun <id>.',
  FleetLost:
    'Look at what the workers said last: tessera logs <id>. They all die of the same cause: memory, the image, a setting of the PodTemplate, or the GPUs.',
  BudgetSpent:
    'Its results are honest and partial. For the rest give more: tessera rerun <id> with --cfg-options run.budget=…, or without a budget.',
  Unexpected:
    'Most likely a bug. Please report it, with what tessera why <id> --json and tessera logs <id> print. Once more may help: tessera rerun <id>.',
};

/** The remedy of a class, for a run. */
export function remedyFor(failureClass: FailureClass, id: string): string {
  return REMEDIES[failureClass].replaceAll('<id>', id);
}
