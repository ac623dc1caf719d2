import { condition, type ExternalWorkflowHandle } from '@temporalio/workflow';
import type { Cause, FleetChange, FleetState, WorkerState } from '../core/config/fleet.ts';
import { sendSignal } from '../core/config/run-messages.ts';
import { onSignal } from './messages.ts';

/** A dead pod is seen within seconds; a lost node takes its cluster a minute, which no shard waits for. */
const CAUSE_WAIT = '5s';

/** What a run knows of its workers: as told, the dead included. */
export interface FleetView {
  state(): FleetState;
  /** Why a worker that stopped answering went, if that is told soon. */
  causeOfDeath(worker: string): Promise<Cause | null>;
  /** Tells a part of this run, that works on its fleet, what is known and what comes. @returns what ends that */
  tellTo(part: Pick<ExternalWorkflowHandle, 'signal'>): () => void;
}

export function watchFleet(): FleetView {
  const workers = new Map<string, WorkerState>();
  let trouble: Cause | null = null;
  let tell: (changes: FleetChange) => void = () => {};
  onSignal('fleetChanged', (changes) => {
    for (const worker of changes.workers) workers.set(worker.name, worker);
    trouble = changes.trouble;
    tell(changes);
  });
  return {
    state: () => ({ workers: [...workers.values()], trouble }),
    async causeOfDeath(worker) {
      await condition(() => workers.get(worker)?.state === 'gone', CAUSE_WAIT);
      const { state, cause } = workers.get(worker) ?? {};
      return state === 'gone' ? (cause ?? null) : null;
    },
    tellTo(part) {
      tell = (changes) => {
        // A part that has just ended needs no news.
        sendSignal(part, 'fleetChanged', changes).catch(() => {});
      };
      tell({ workers: [...workers.values()].filter(({ state }) => state !== 'gone'), trouble });
      return () => {
        tell = () => {};
      };
    },
  };
}
