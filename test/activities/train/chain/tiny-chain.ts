import { type Chain, type ChainObserver, openChain } from '../../../../activities/train/chain/chain.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { chainSpecs } from '../../../../core/model/chain/chain-plan.ts';
import { ROPE_PERIODS } from '../../../../core/model/vit-tensors.ts';
import { drawsAt } from '../../../../core/train/draws.ts';
import { dropPathMultipliers } from '../../../../core/train/drop-path.ts';
import { parameterGroups, stepFactors } from '../../../../core/train/parameter-groups.ts';
import { isTrained } from '../../../../core/train/trainable.ts';
import { randomTensors } from '../../../builders.ts';

export interface TinyChain {
  chain: Chain;
  /** Takes the step of a number (from 0) on a random batch; `inputs` replace the images, and `labels` gets those of the batch. */
  step(step: number, inputs?: Float32Array[], labels?: Uint8Array[]): ReturnType<Chain['step']>;
  /** Every number of the state, by tensor and part. */
  state(): Map<string, Float32Array>;
}

/** A chain with random weights, which are the same for the same model. */
export async function tinyChain(
  config: TrainableConfig,
  { threads = 1, observer = {} }: { threads?: number; observer?: ChainObserver } = {},
): Promise<TinyChain & Disposable> {
  const { model, train } = config;
  const tensors = new Map(
    randomTensors(model).map(({ name, data }) => [
      name,
      new Float32Array(new Uint8Array(data as Uint8Array).buffer),
    ]),
  );
  const periods = tensors.get(ROPE_PERIODS);
  const constants = new Map(periods ? [[ROPE_PERIODS, periods.map(Math.abs)]] : []);
  const chain = await openChain({ config, threads, constants, observer });
  const specs = chainSpecs(config);
  for (const { name } of specs) chain.state.put({ name, data: tensors.get(name)! });
  const trained = specs.filter(({ name }) => isTrained(config, name));
  const groups = parameterGroups(train.optimizer, model.backbone.depth, trained);
  const size = model.backbone.imageSizePx;
  return {
    chain,
    step(step, inputs = [imagesOf(config, step)], given = []) {
      const draws = drawsAt(3, 'labels', step);
      const labels = Uint8Array.from({ length: train.batch * size * size }, () => draws.integer(0, 150));
      given.push(labels);
      return chain.step({
        inputs,
        labels,
        dropPath: train.dropPathRate > 0 ? dropPathMultipliers(train, model.backbone.depth, step) : null,
        dropoutMasks: {},
        factors: stepFactors(train, groups, step, (scale) => 0.01 * scale),
      });
    },
    state() {
      const found = new Map<string, Float32Array>();
      for (const { name } of specs)
        for (const part of isTrained(config, name)
          ? (['value', 'first', 'second'] as const)
          : (['value'] as const))
          found.set(`${name} ${part}`, chain.state.part(name, part));
      return found;
    },
    [Symbol.dispose]: () => chain[Symbol.dispose](),
  };
}

/** Images of a step, `[B, S, S, 3]`. */
export function imagesOf({ model, train }: TrainableConfig, step: number): Float32Array<ArrayBuffer> {
  const size = model.backbone.imageSizePx;
  const draws = drawsAt(2, 'images', step);
  return Float32Array.from({ length: train.batch * size * size * 3 }, () => draws.normal());
}
