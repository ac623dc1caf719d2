import { type ChainStep, openChain } from '../../activities/train/chain/chain.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { chainSpecs, planChain } from '../../core/model/chain/chain-plan.ts';
import { dropoutMaskInput, trainedHeads } from '../../core/model/chain/head-stage.ts';
import { isTrained } from '../../core/train/trainable.ts';
import { besideChain, sumOf, trainingMemory } from '../../core/train/training-memory.ts';
import { copies, deviceMemory, readCalls, traceEnd } from './trace.ts';

const STEPS = 4;

/** What some calls copied in one direction. */
export interface CountedCopies {
  number: number;
  bytes: number;
}

/** What a training's chain does with a device: memory in bytes, and of its last step copies and launches. */
export interface CountedChain {
  /** Taken once it is open, with its state; and at the most in its steps. */
  open: number;
  peak: number;
  /** What the last step takes beyond those before, in which the arena finds its size. */
  grown: number;
  /** Still taken when it is closed. */
  closed: number;
  up: CountedCopies;
  down: CountedCopies;
  within: CountedCopies;
  /** Kernels, and products and convolutions of libraries. */
  launches: number;
}

/**
 * A chain at its true sizes, on zeros: on the device nothing of it is there. With `run.state=host` parameters and moments
 * are, on this machine.
 */
export async function countChain(config: TrainableConfig): Promise<CountedChain> {
  const memory = deviceMemory();
  const chain = await openChain({ config, threads: 1 });
  let calls: string[][] = [];
  let open = 0;
  let before = 0;
  try {
    const step = zerosStep(config);
    open = memory.now();
    for (let i = 1; i < STEPS; i++) chain.step(step);
    before = memory.now();
    const from = traceEnd();
    if (!chain.step(step).isSound) throw new Error('the losses of a step on zeros are not finite');
    calls = readCalls(from);
  } finally {
    chain[Symbol.dispose]();
  }
  const count = (from: string, to: string): CountedCopies => {
    const sizes = copies({ calls }, from, to);
    return { number: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  };
  return {
    open,
    peak: memory.peak(),
    grown: memory.peak() - before,
    closed: memory.now(),
    up: count('pageable', 'device'),
    down: count('device', 'pageable'),
    within: count('device', 'device'),
    launches: calls.filter(([kind]) => ['L', 'B', 'N'].includes(kind!)).length,
  };
}

/** What a plan expects of a chain's own arena: without CUDA's libraries, and without what is frozen, which is not in it. */
export function expectedOfChain(config: TrainableConfig): number {
  const { device } = trainingMemory(config, config.run.state === 'host' ? 'host' : 'device');
  return sumOf(device.filter(({ what }) => !what.startsWith('frozen'))) - besideChain(planChain(config));
}

/** A step on black images, whose branches are all kept, and which changes no parameter. */
export function zerosStep(config: TrainableConfig): ChainStep {
  const { model, train } = config;
  const { batch } = train;
  const plan = planChain(config);
  const factors = { decay: 1, rate: 0, correction: 1 };
  return {
    inputs: plan.inputs.map(({ shape }) => new Float32Array(batch * elementCount(shape))),
    labels: new Uint8Array(batch * model.backbone.imageSizePx ** 2),
    dropPath: train.dropPathRate > 0 ? new Float32Array(model.backbone.depth * 2 * batch).fill(1) : null,
    dropoutMasks: Object.fromEntries(
      trainedHeads(model, train).map((head) => [
        dropoutMaskInput(head),
        new Float32Array(batch * head.channels).fill(1),
      ]),
    ),
    factors: Object.fromEntries(
      chainSpecs(config, plan)
        .filter(({ name }) => isTrained(config, name))
        .map(({ name }) => [name, factors]),
    ),
  };
}
