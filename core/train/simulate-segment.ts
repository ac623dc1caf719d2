import { discreteEvents, type Resource, resource } from './discrete-events.ts';
import { isCheckpoint } from './segments.ts';
import type { SimulatedFleet, TrainingCosts } from './simulate.ts';

/** Seconds of work; of backbones and workers' threads, summed over workers. */
export interface Busy {
  backbone: number;
  workerThread: number;
  network: number;
  receive: number;
  head: number;
}

/** Where a part of a training has come to, and when. */
export interface SegmentEnd {
  /** Steps that a checkpoint holds. */
  step: number;
  at: number;
  isTrainerLost: boolean;
  /** Steps that were done, those that are lost again included. */
  stepsDone: number;
  checkpointSeconds: number;
  busy: Busy;
}

interface Group {
  step: number;
  group: number;
}

interface Worker {
  index: number;
  /** Counts its lives: what an earlier one had under way never arrives. */
  life: number;
  isThere: boolean;
  held: Group[];
  thread: Resource;
  gpu: Resource;
}

/** Groups that a worker has at a time, the trainer too: it computes where there are no others, and while it waits. */
const GROUPS_AHEAD = 2;

/**
 * One attempt at the steps up to `until`, as discrete events: groups are given out within the window, made into
 * samples on a worker's thread, computed on its GPU, sent over the trainer's network link, received on the trainer's
 * thread, and learnt from in order.
 *
 * @param start when the trainer and the workers that are there begin to load, seconds
 * @see activities/train/features, which does this in earnest
 */
export function simulateSegment(
  costs: TrainingCosts,
  fleet: SimulatedFleet,
  { start, first, until }: { start: number; first: number; until: number },
): SegmentEnd {
  const { now, at, use, runUntil } = discreteEvents(start);
  const workers = fleet.lostAt.map<Worker>((_, index) => ({
    index,
    life: 0,
    isThere: false,
    held: [],
    thread: resource(),
    gpu: resource(),
  }));
  // Any worker may train: the first that is there.
  const trainer = workers.reduce((a, b) => (fleet.backAt[b.index]! < fleet.backAt[a.index]! ? b : a));
  const network = resource();
  const receiver = resource();
  const head = resource();
  const window = simulatedWindow(costs, first, until);
  let isStepping = true;
  let gpuSteps = 0;
  let checkpointSeconds = 0;
  let done = first;
  let saved = first;
  let isTrainerLost = false;

  const advance = () => {
    if (!isStepping && window.shift()) {
      isStepping = true;
      gpuSteps += 1;
      use(head, costs.gpuStepSeconds + costs.hostStepSeconds);
      at(use(trainer.gpu, costs.gpuStepSeconds) + costs.hostStepSeconds, stepped);
    }
    const others = workers.filter((worker) => worker.isThere && worker !== trainer);
    const helps = trainer.isThere && (others.length === 0 || !isStepping);
    const servers = helps ? [...others, trainer] : others;
    for (let busy = 0; busy < GROUPS_AHEAD; busy++)
      for (const worker of servers) {
        const group = worker.held.length === busy ? window.take() : null;
        if (group) compute(worker, group);
      }
  };

  const compute = (worker: Worker, group: Group) => {
    const { life } = worker;
    const crops = Math.min(costs.group, costs.train.batch - group.group * costs.group);
    /** What a worker has under way goes with it. */
    const then = (seconds: number, act: () => void) => at(seconds, () => worker.life === life && act());
    let missing = crops;
    const received = () => {
      missing -= 1;
      if (missing > 0) return;
      worker.held.splice(worker.held.indexOf(group), 1);
      window.put(group);
      advance();
    };
    const receive = () => then(use(receiver, costs.receiveSeconds), received);
    const send = (left: number) =>
      then(use(worker.thread, costs.sendSeconds), () => {
        then(use(network, costs.cropBytes / costs.networkBytesPerSecond), receive);
        if (left > 1) send(left - 1);
      });
    const computed = () => {
      if (worker !== trainer) return send(crops);
      for (let crop = 0; crop < crops; crop++) then(use(receiver, costs.copySeconds), received);
    };
    worker.held.push(group);
    then(use(worker.thread, crops * costs.sampleSeconds), () =>
      then(use(worker.gpu, costs.backboneSeconds), computed),
    );
  };

  const stepped = () => {
    done += 1;
    const pause = isCheckpoint(done, until, costs.train) ? costs.checkpointSeconds : 0;
    checkpointSeconds += pause;
    at(now() + pause, () => {
      if (isCheckpoint(done, until, costs.train)) saved = done;
      isStepping = false;
      advance();
    });
  };

  const arrive = (worker: Worker) => {
    worker.isThere = true;
    if (worker === trainer) isStepping = false;
    at(fleet.lostAt[worker.index]!, () => lose(worker));
    advance();
  };

  const lose = (worker: Worker) => {
    worker.isThere = false;
    worker.life += 1;
    window.giveBack(worker.held.splice(0));
    fleet.lose(worker.index);
    isTrainerLost ||= worker === trainer;
    at(fleet.backAt[worker.index]! + costs.startSeconds, () => arrive(worker));
    advance();
  };

  for (const worker of workers)
    at(
      Math.max(start, fleet.backAt[worker.index]!) +
        costs.startSeconds +
        (worker === trainer ? costs.loadSeconds : 0),
      () => arrive(worker),
    );
  runUntil(() => saved === until || isTrainerLost);

  const sum = (pick: (worker: Worker) => Resource) =>
    workers.reduce((total, worker) => total + pick(worker).busySeconds, 0);
  return {
    step: saved,
    at: now(),
    isTrainerLost,
    stepsDone: done - first,
    checkpointSeconds,
    busy: {
      // The trainer's GPU runs its head, too.
      backbone: sum(({ gpu }) => gpu) - gpuSteps * costs.gpuStepSeconds,
      workerThread: sum(({ thread }) => thread),
      network: network.busySeconds,
      receive: receiver.busySeconds,
      head: head.busySeconds,
    },
  };
}

/** Which groups may be computed, and which steps are complete: FeatureWindow without the features. */
function simulatedWindow({ train, group: size, windowSteps }: TrainingCosts, first: number, until: number) {
  const groups = Math.ceil(train.batch / size);
  const missing = new Map<number, number>();
  const returned: Group[] = [];
  let fresh: Group = { step: first, group: 0 };
  let oldest = first;
  return {
    take(): Group | null {
      const back = returned.shift();
      if (back) return back;
      const { step, group } = fresh;
      if (step >= Math.min(until, oldest + windowSteps)) return null;
      if (group === 0) missing.set(step, groups);
      fresh = group + 1 < groups ? { step, group: group + 1 } : { step: step + 1, group: 0 };
      return { step, group };
    },
    giveBack(back: Group[]): void {
      returned.push(...back);
      returned.sort((a, b) => a.step - b.step || a.group - b.group);
    },
    put({ step }: Group): void {
      missing.set(step, missing.get(step)! - 1);
    },
    /** Takes the oldest step, if all of it is there. */
    shift(): boolean {
      if (missing.get(oldest) !== 0) return false;
      missing.delete(oldest);
      oldest += 1;
      return true;
    },
  };
}
