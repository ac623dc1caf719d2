import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { type FleetSpec, fleetText } from '../core/config/fleet.ts';
import { control, fleetActivities } from './activities.ts';
import type { FleetView } from './fleet-view.ts';

/** A run's workers, as they are kept. */
export interface LaunchedFleet {
  /** Never resolves; rejects if they can't be kept alive. */
  failed: Promise<never>;
  /** Ends them, whatever becomes of the run; never rejects, since what it can't end others will (docs/decisions/0009). */
  end(): Promise<void>;
}

/** Launches workers and has them kept alive until `end`, or until the scope that it is called in is cancelled. */
export function launchFleet(fleet: FleetSpec): LaunchedFleet {
  const keeper = new CancellationScope();
  const kept = keeper.run(() => fleetActivities(fleet).keepFleet(fleet));
  const forever = new Promise<never>(() => {});
  // The keeper ends in a cancellation at the latest; only a failure of its own is news.
  const failed = kept.then(
    () => forever,
    (error) => (isCancellation(error) ? forever : Promise.reject(error)),
  );
  failed.catch(() => {});
  let ended: Promise<void> | null = null;
  return {
    failed,
    end() {
      ended ??= CancellationScope.nonCancellable(async () => {
        // One after the other: a keeper at work would launch anew what is being torn down.
        keeper.cancel();
        await kept.catch(() => {});
        await control.tearDown(fleet).catch(() => {});
      });
      return ended;
    },
  };
}

/** Another run's workers: they are neither launched nor ended here. */
export function borrowedFleet(): LaunchedFleet {
  return { failed: new Promise<never>(() => {}), end: async () => {} };
}

/** What is said of a run whose deadline passes: what held its workers back, if something did. */
export function notDone(fleet: FleetView): string {
  const text = fleetText(fleet.state());
  return `before the run was done${text ? `: ${text}` : ''}`;
}
