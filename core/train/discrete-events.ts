import TinyQueue from 'tinyqueue';

/** Something that does one thing at a time, first come, first served. */
export interface Resource {
  freeAt: number;
  busySeconds: number;
}

/** A simulated clock, and what happens by it. */
export interface Events {
  now(): number;
  /** Has something happen at a time, seconds; at equal times in the order of asking. */
  at(seconds: number, act: () => void): void;
  /** Queues work at a resource. @returns when it is done */
  use(what: Resource, seconds: number): number;
  /** Lets the time pass until `isOver`. @throws Error if nothing more happens before */
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
