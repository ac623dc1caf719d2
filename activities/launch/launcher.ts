import type { FleetSpec, FleetState } from '../../core/config/fleet.ts';

/** Runs a run's workers: `local` as child processes, `kubernetes` as an Indexed Job. */
export interface Launcher {
  /**
   * Starts the workers that a fleet lacks, and replaces those that are gone. Safe to repeat.
   *
   * @throws Unavailable if a retry may succeed; BadInput if it cannot
   */
  reconcile(fleet: FleetSpec): Promise<void>;
  /** All workers. Those that are gone have their cause, while the launcher can still see it. @throws Unavailable */
  observe(fleet: FleetSpec): Promise<FleetState>;
  /** Stops all workers of a fleet and waits until they are gone. Safe to repeat. @throws Unavailable */
  tearDown(fleet: FleetSpec): Promise<void>;
}
