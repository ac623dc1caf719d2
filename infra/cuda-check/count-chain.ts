import { type ChainStep, openChain } from '../../activities/train/chain/chain.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { chainSpecs, planChain } from '../../core/model/chain/chain-plan.ts';
import { dropoutMaskInput, trainedHeads } from '../../core/model/chain/head-stage.ts';
import { isTrained } from '../../core/train/trainable.ts';
import { copies, deviceMemory, readCalls, traceEnd } from './trace.ts';

/** What some calls copied in one direction. */
export interface CountedCopies {
  number: number;
  bytes: number;
}

/** What a training's chain does with a device: memory in bytes, and of its second step copies and launches. */
export interface CountedChain {
  /** Taken once it is open, with its state; and at the most in two steps. */
  open: number;
  peak: number;
  /** What the second step takes beyond the first. */
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
  let first = 0;
  try {
    const step = zerosStep(config);
    open = memory.now();
    chain.step(step);
    first = memory.now();
    const before = traceEnd();
    if (!chain.step(step).isSound) throw new Error('the losses of a step on zeros are not finite');
    calls = readCalls(before);
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
    grown: memory.peak() - first,
    closed: memory.now(),
    up: count('pageable', 'device'),
    down: count('device', 'pageable'),
    within: count('device', 'device'),
    launches: calls.filter(([kind]) => ['L', 'B', 'N'].includes(kind!)).length,
  };
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
