import type { FleetSpec, FleetState } from '../../core/config/fleet.ts';

/** Places a run's workers somewhere: `local` as child processes, `kubernetes` as an Indexed Job. */
export interface Launcher {
  /**
   * Starts what is missing of a fleet; safe to repeat. Workers that went are replaced.
   *
   * @throws Unavailable if it can't be said now; BadInput if it never will be
   */
  reconcile(fleet: FleetSpec): Promise<void>;
  /** Every worker that there is, those that went with their cause of death for as long as it can be seen. @throws Unavailable */
  observe(fleet: FleetSpec): Promise<FleetState>;
  /** Ends all of a fleet's workers and waits until they are gone; safe to repeat. @throws Unavailable */
  tearDown(fleet: FleetSpec): Promise<void>;
}
