import type { TrainRecord } from '../train/train-log.ts';
import type { Progress } from './eval.ts';
import type { FleetChange } from './fleet.ts';
import type { TableProgress } from './table.ts';
import type { SavedCheckpoint, TrainerReady, TrainProgress } from './train-run.ts';

/** The signals that a run takes, and what each carries. Runs under way depend on the names and on the form. */
export interface Signals {
  /** What has changed of its workers. */
  fleetChanged: FleetChange;
  /** A trainer takes features from now on. */
  trainerReady: TrainerReady;
  /** A line of the training log. */
  trainingLog: TrainRecord;
  /** A checkpoint is in the store. */
  checkpointSaved: SavedCheckpoint;
}

/** The query that every run answers. */
export const PROGRESS = 'progress';

/** What each type of workflow answers to it. */
export interface ProgressOf {
  EvalMIoU: Progress;
  Train: TrainProgress;
  ReproduceTable: TableProgress;
}

/** A handle of Temporal's, in a client or in a workflow. */
interface Signalled {
  signal(name: string, content: object): Promise<unknown>;
}

interface Queried {
  query<Answer>(name: string): Promise<Answer>;
}

/** Sends a signal to a run. @throws what Temporal's client throws */
export async function sendSignal<Name extends keyof Signals>(
  run: Signalled,
  name: Name,
  content: Signals[Name],
): Promise<void> {
  await run.signal(name, content);
}

/** Asks a run of a type how far it is. @throws what Temporal's client throws, also if nobody answers */
export function queryProgress<Type extends keyof ProgressOf>(
  run: Queried,
  _type: Type,
): Promise<ProgressOf[Type]> {
  return run.query(PROGRESS);
}
