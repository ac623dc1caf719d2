import type { FleetSpec } from '../../core/config/eval.ts';

/** A worker as its launcher sees it. */
export type WorkerState =
  | { name: string; state: 'running' }
  | { name: string; state: 'gone'; cause: string; lastLines: string };

/** Places a run's workers somewhere: `local` as child processes, `kubernetes` as an Indexed Job. */
export interface Launcher {
  /** Starts what is missing of a fleet; again is harmless. Workers that went are replaced. */
  launch(fleet: FleetSpec): Promise<void>;
  /** Every worker since the fleet's start, those that went with their cause of death. */
  observe(fleet: FleetSpec): Promise<WorkerState[]>;
  /** Ends all of a fleet's workers and waits until they are gone; again is harmless. */
  tearDown(fleet: FleetSpec): Promise<void>;
}
