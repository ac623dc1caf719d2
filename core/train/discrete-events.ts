import TinyQueue from 'tinyqueue';

/** A resource that serves one request at a time, in order of arrival. */
export interface Resource {
  freeAt: number;
  busySeconds: number;
}

/** A simulated clock and its events. */
export interface Events {
  now(): number;
  /** Schedules an event at a time, seconds. Events at equal times run in the order of scheduling. */
  at(seconds: number, act: () => void): void;
  /** Queues work at a resource. @returns when it is done */
  use(what: Resource, seconds: number): number;
  /** Advances the clock until `isOver`. @throws Error if no event is left before */
  runUntil(isOver: () => boolean): void;
}

export function discreteEvents(start: number): Events {
  const queue = new TinyQueue<{ at: number; order: number; act: () => void }>(
    [],
    (a, b) => a.at - b.at || a.order - b.order,
  );
  let now = start;
  let order = 0;
  return {
    now: () => now,
    at: (seconds, act) => queue.push({ at: seconds, order: order++, act }),
    use(what, seconds) {
      what.busySeconds += seconds;
      what.freeAt = Math.max(now, what.freeAt) + seconds;
      return what.freeAt;
    },
    runUntil(isOver) {
      while (!isOver()) {
        const event = queue.pop();
        if (!event) throw new Error('nothing more happens, and it is not over');
        now = event.at;
        event.act();
      }
    },
  };
}

export function resource(): Resource {
  return { freeAt: 0, busySeconds: 0 };
}
