import { copyTensors } from '../../../../activities/onnx/c-api/copy-tensors.ts';
import type { DeviceTensor } from '../../../../activities/onnx/c-api/device-tensor.ts';
import {
  type Chain,
  type ChainOptions,
  type ChainStep,
  openChain,
} from '../../../../activities/train/chain/chain.ts';
import type { ChainTensor } from '../../../../activities/train/chain/chain-state.ts';
import { elementCount } from '../../../../core/checkpoint/dtypes.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { blockOf } from '../../../../core/model/backbone.ts';
import { chainSpecs, planChain } from '../../../../core/model/chain/chain-plan.ts';
import { dropoutMaskInput, trainedHeads } from '../../../../core/model/chain/head-stage.ts';
import { dropPathMultipliers } from '../../../../core/train/drop-path.ts';
import { parameterGroups, stepFactors } from '../../../../core/train/parameter-groups.ts';
import { isTrained } from '../../../../core/train/trainable.ts';
import { randomNumbers, randomTensor } from './random-numbers.ts';

/** A chain on random weights and one random batch. */
export interface BenchChain extends Disposable {
  /** What was put into its state tensor by tensor, and in which time; further blocks are copies of the first. */
  put: { bytes: number; seconds: number };
  /** Until the sessions were open. */
  openSeconds: number;
  /** @param step from 0 */
  step(step: number): ReturnType<Chain['step']>;
  chain: Chain;
}

/** @throws as `openChain`; OutOfMemory if the state does not fit */
export async function openBenchChain(
  config: TrainableConfig,
  options: Partial<Omit<ChainOptions, 'config'>> = {},
): Promise<BenchChain> {
  const start = performance.now();
  const { threads } = config.run;
  const chain = await openChain(Object.assign({ config, threads }, options));
  try {
    const openSeconds = (performance.now() - start) / 1000;
    const put = fillState(chain, config);
    const stepOf = randomStep(config);
    return {
      chain,
      put,
      openSeconds,
      step: (step) => chain.step(stepOf(step)),
      [Symbol.dispose]: () => chain[Symbol.dispose](),
    };
  } catch (error) {
    chain[Symbol.dispose]();
    throw error;
  }
}

/** The first block's tensors are put; the others' are copied where they lie, so that no model of theirs is on the host. */
function fillState({ state }: Chain, config: TrainableConfig): BenchChain['put'] {
  const first = new Map<string, ChainTensor>();
  let bytes = 0;
  let seconds = 0;
  for (const spec of chainSpecs(config)) {
    const tensor = state.get(spec.name);
    const inBlock = spec.name.replace(/^backbone\.blocks\.\d+\./, '');
    const alike = first.get(inBlock);
    if (alike) {
      copyTensors(partsOf(alike), partsOf(tensor));
      continue;
    }
    const data = randomTensor(spec);
    const start = performance.now();
    state.put({ name: spec.name, data });
    seconds += (performance.now() - start) / 1000;
    bytes += partsOf(tensor).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (blockOf(spec.name) !== undefined) first.set(inBlock, tensor);
  }
  return { bytes, seconds };
}

function partsOf({ value, rounded, moments }: ChainTensor): DeviceTensor[] {
  return [value, rounded, moments?.first, moments?.second].filter((tensor) => !!tensor);
}

/**
 * The same batch in each step, at the whole learning rate: a loss that falls shows that the optimizer works. Each crop has
 * stripes of its own classes.
 */
function randomStep(config: TrainableConfig): (step: number) => ChainStep {
  const { model, train } = config;
  const { batch, optimizer, dropPathRate } = train;
  const { imageSizePx: size, depth } = model.backbone;
  const plan = planChain(config);
  const inputs = plan.inputs.map(({ shape }) => randomNumbers(batch * elementCount(shape)));
  const stripe = Math.ceil(size / 4);
  const labels = Uint8Array.from({ length: batch * size * size }, (_, i) => {
    const crop = Math.floor(i / (size * size));
    return (7 * crop + Math.floor((i % size) / stripe)) % model.head.classes;
  });
  const dropoutMasks = Object.fromEntries(
    trainedHeads(model, train).map((head) => [
      dropoutMaskInput(head),
      new Float32Array(batch * head.channels).fill(1),
    ]),
  );
  const trained = chainSpecs(config, plan).filter(({ name }) => isTrained(config, name));
  const groups = parameterGroups(optimizer, depth, trained);
  return (step) => ({
    inputs,
    labels,
    dropPath: plan.stages.length > 0 && dropPathRate > 0 ? dropPathMultipliers(train, depth, step) : null,
    dropoutMasks,
    factors: stepFactors(train, groups, step, (scale) => optimizer.lr * scale),
  });
}
