import { condition, type ExternalWorkflowHandle } from '@temporalio/workflow';
import type { Cause, FleetChange, FleetState, WorkerState } from '../core/config/fleet.ts';
import { sendSignal } from '../core/config/run-messages.ts';
import { onSignal } from './messages.ts';

/** A failed pod is seen within seconds. A lost node is seen after a minute, which is too long for a shard to wait. */
const CAUSE_WAIT = '5s';

/** A run's view of its workers, including those that are gone. */
export interface FleetView {
  state(): FleetState;
  /** The cause of a worker's loss, if it is reported soon. */
  causeOfDeath(worker: string): Promise<Cause | null>;
  /** Forwards the state and all changes to a child workflow that uses this fleet. @returns a function that ends it */
  forwardTo(part: Pick<ExternalWorkflowHandle, 'signal'>): () => void;
}

export function watchFleet(): FleetView {
  const workers = new Map<string, WorkerState>();
  let trouble: Cause | null = null;
  let forward: (changes: FleetChange) => void = () => {};
  onSignal('fleetChanged', (changes) => {
    for (const worker of changes.workers) workers.set(worker.name, worker);
    trouble = changes.trouble;
    forward(changes);
  });
  return {
    state: () => ({ workers: [...workers.values()], trouble }),
    async causeOfDeath(worker) {
      await condition(() => workers.get(worker)?.state === 'gone', CAUSE_WAIT);
      const { state, cause } = workers.get(worker) ?? {};
      return state === 'gone' ? (cause ?? null) : null;
    },
    forwardTo(part) {
      forward = (changes) => {
        // A child workflow that has just ended needs no changes.
        sendSignal(part, 'fleetChanged', changes).catch(() => {});
      };
      forward({ workers: [...workers.values()].filter(({ state }) => state !== 'gone'), trouble });
      return () => {
        forward = () => {};
      };
    },
  };
}
