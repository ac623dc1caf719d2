import type { TrainConfig } from '../config/train.ts';
import type { ChainCost } from './chain-cost.ts';
import { drawsAt } from './draws.ts';
import { isStop, nextStop } from './segments.ts';
import { type Busy, simulateSegment } from './simulate-segment.ts';

/** What the parts of a training take: seconds if nothing else is said. */
export interface TrainingCosts {
  /** The config's: steps, batch, and when there are checkpoints and evaluations. */
  train: TrainConfig;
  /** Crops of a backbone's batch. */
  group: number;
  /** Steps that may be begun before the oldest is taken. */
  windowSteps: number;
  /** Of a crop, on a worker's main thread: to make the sample, and to encode and send its features. */
  sampleSeconds: number;
  sendSeconds: number;
  /** Of a group, on a GPU. */
  backboneSeconds: number;
  cropBytes: number;
  /** Of the trainer's link. */
  networkBytesPerSecond: number;
  /** Of a crop, on the trainer's thread for features: if it comes over the network, or from the trainer's own backbone. */
  receiveSeconds: number;
  copySeconds: number;
  /** Of a step: copies and kernels on the GPU, then the optimizer. */
  gpuStepSeconds: number;
  hostStepSeconds: number;
  /** While a checkpoint is written to disk the steps stand still. */
  checkpointSeconds: number;
  /** Until a trainer that is ready has the state of its last checkpoint, at each segment. */
  loadSeconds: number;
  /** Until a worker is ready, for features and for an evaluation alike. */
  startSeconds: number;
  /** Of one evaluation, on one GPU. */
  evaluationGpuSeconds: number;
  /** How often a GPU is lost in an hour, how long until that is noticed, and until another has come in its place. */
  lossesPerHour: number;
  noticeSeconds: number;
  replaceSeconds: number;
  /** Where blocks train: the parts of `gpuStepSeconds`. */
  chain?: ChainCost;
}

/** When each worker goes next, and since when it is (or will be) there. */
export interface SimulatedFleet {
  lostAt: number[];
  backAt: number[];
  /** A worker goes, at its time: draws when it comes back, and goes again. */
  lose(index: number): void;
}

export interface SimulatedTraining {
  gpus: number;
  seconds: number;
  /** Of them: loading and steps, and evaluations. */
  trainSeconds: number;
  evaluateSeconds: number;
  checkpointSeconds: number;
  /** Workers that were lost, trainers among them, and the steps that had to be done again. */
  losses: number;
  trainersLost: number;
  repeatedSteps: number;
  busy: Busy;
}

/** A whole training on so many GPUs. The same seed loses the same workers. */
export function simulateTraining(costs: TrainingCosts, gpus: number, seed = 0): SimulatedTraining {
  const { train } = costs;
  const fleet = simulatedFleet(costs, gpus, seed);
  const total: SimulatedTraining = {
    gpus,
    seconds: 0,
    trainSeconds: 0,
    evaluateSeconds: 0,
    checkpointSeconds: 0,
    losses: 0,
    trainersLost: 0,
    repeatedSteps: 0,
    busy: { backbone: 0, workerThread: 0, network: 0, receive: 0, head: 0 },
  };
  let stepsDone = 0;
  for (let now = 0, step = 0; step < train.steps; total.seconds = now) {
    fleet.passTo(now);
    const end = simulateSegment(costs, fleet, { start: now, first: step, until: nextStop(step, train) });
    total.trainSeconds += end.at - now;
    total.checkpointSeconds += end.checkpointSeconds;
    stepsDone += end.stepsDone;
    for (const part of Object.keys(total.busy) as (keyof Busy)[]) total.busy[part] += end.busy[part];
    ({ step, at: now } = end);
    if (end.isTrainerLost) {
      total.trainersLost += 1;
      total.trainSeconds += costs.noticeSeconds;
      now += costs.noticeSeconds;
    } else if (isStop(step, train)) {
      const evaluation = costs.startSeconds + costs.evaluationGpuSeconds / gpus;
      total.evaluateSeconds += evaluation;
      now += evaluation;
    }
  }
  return { ...total, losses: fleet.losses(), repeatedSteps: stepsDone - train.steps };
}

function simulatedFleet({ lossesPerHour, replaceSeconds }: TrainingCosts, gpus: number, seed: number) {
  const draws = Array.from({ length: gpus }, (_, worker) => drawsAt(seed, 'losses', worker));
  // Memoryless: the time to the next loss is exponential.
  const life = (worker: number) =>
    (-Math.log(1 - draws[worker]!.uniform()) * 3600) / Math.max(lossesPerHour, Number.MIN_VALUE);
  let losses = 0;
  const backAt = draws.map(() => 0);
  const lostAt = draws.map((_, worker) => life(worker));
  const lose = (worker: number) => {
    losses += 1;
    backAt[worker] = lostAt[worker]! + replaceSeconds;
    lostAt[worker] = backAt[worker]! + life(worker);
  };
  return {
    lostAt,
    backAt,
    lose,
    losses: () => losses,
    /** Who goes before this time is gone by then. */
    passTo(seconds: number): void {
      for (const worker of draws.keys()) while (lostAt[worker]! <= seconds) lose(worker);
    },
  };
}
