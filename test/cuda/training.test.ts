import { afterEach, expect, test } from 'vitest';
import { loadVitConfig } from '../../activities/plan/load-config.ts';
import { type ChainObserver, openChain } from '../../activities/train/chain/chain.ts';
import { ModelTrainer } from '../../activities/train/trainer.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import { applyOverrides } from '../../core/config/overrides.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { chainSpecs, planChain } from '../../core/model/chain/chain-plan.ts';
import { headSpecs, isParameter, runningSpecs } from '../../core/model/head.ts';
import type { TensorSpec } from '../../core/model/tensor-spec.ts';
import type { StatePlace } from '../../core/train/training-memory.ts';
import {
  type CountedChain,
  countChain,
  expectedOfChain,
  zerosStep,
} from '../../infra/cuda-check/count-chain.ts';
import { deviceMemory } from '../../infra/cuda-check/trace.ts';
import { trainable } from '../activities/train/training-run.ts';

process.env.FAKE_CUDA_MEMORY = '200e9';
afterEach(() => {
  delete process.env.FAKE_CUDA_FAULT;
});

const FEW_SHOT = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_1of1';
const FULL = 'upernet_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5';
const LINEAR = 'linear_intern_vit_6b_504_80k_ade20k_bs16_lr4e-5_frozen';
const UPERNET = `${FULL}_frozen`;

/** The 6B at its true widths, with few blocks. */
async function few(
  blocks: number,
  state: StatePlace,
  { name = FEW_SHOT, taps = [blocks - 1] } = {},
): Promise<TrainableConfig> {
  const depth = [`model.backbone.depth=${blocks}`, `model.backbone.taps=[${taps}]`];
  const overrides = ['run.device=cuda', `run.state=${state}`, ...depth];
  return applyOverrides(await loadVitConfig(name), overrides, name) as TrainableConfig;
}

/** All parameters of the smallest model, 4 crops in groups of 2. */
function tiny(state: StatePlace): TrainableConfig {
  const run = ['run.device=cuda', 'run.precision=bfloat16', 'run.batch=2', `run.state=${state}`];
  return trainable(...run, 'train.trainable=all', 'train.dropPathRate=0.4', 'train.dropout=0.1');
}

function expectAsPlanned({ peak }: CountedChain, config: TrainableConfig): void {
  const expected = expectedOfChain(config);
  expect(peak).toBeLessThan(expected);
  expect(peak).toBeGreaterThan(expected / 1.4);
}

test('blocks of the 6B that train take of a device what a plan expects, each as much, and all is given back', async () => {
  const configs = [await few(2, 'device'), await few(4, 'device')] as const;
  const [two, four] = [await countChain(configs[0]), await countChain(configs[1])];
  expectAsPlanned(two, configs[0]);
  expectAsPlanned(four, configs[1]);
  expect([two.grown, four.grown]).toEqual([0, 0]);
  expect([two.closed, four.closed]).toEqual([0, 0]);
  // Parameters and moments in float32, the copies, and the tokens of 16 crops: nothing is rounded up to blocks.
  const [fewer, more] = configs.map((config) => elements(chainSpecs(config)));
  const exact = (more! - fewer!) * (3 * 4 + 2) + 2 * 16 * 1297 * 3200 * 2;
  expect((four.peak - two.peak) / exact).toBeCloseTo(1, 2);
});

test('under UperNet, too, a step takes no more than those before', async () => {
  const config = await few(4, 'device', { name: FULL, taps: [0, 1, 2, 3] });
  const counted = await countChain(config);
  expectAsPlanned(counted, config);
  // Gaps between values of many sizes may still be filled in another way.
  expect(counted.grown).toBeLessThan(0.02 * counted.peak);
});

test.for([
  [LINEAR, 16],
  [UPERNET, 4],
  [UPERNET, 16],
] as const)(
  '%s, in steps of %i crops, takes beside its backbone what a plan expects',
  async ([name, batch]) => {
    const overrides = ['run.device=cuda', 'run.state=device', `train.batch=${batch}`];
    const config = applyOverrides(await loadVitConfig(name), overrides, name) as TrainableConfig;
    const counted = await countChain(config);
    expectAsPlanned(counted, config);
    expect(counted.closed).toBe(0);
  },
);

test('with the state on the host a block takes of the device no parameters or moments', async () => {
  const config = await few(1, 'host');
  const counted = await countChain(config);
  expectAsPlanned(counted, config);
  expect(counted.grown).toBe(0);
  expect(counted.closed).toBe(0);
});

test('a step with the state on the device copies the batch, masks and factors in, and losses out', async () => {
  const config = tiny('device');
  const { up, down } = await countChain(config);
  const { batch } = config.train;
  const step = zerosStep(config);
  const masks = Object.values(step.dropoutMasks).map(({ byteLength }) => byteLength);
  const factors = rowBytes(Object.keys(step.factors).length, 3);
  const { groups, group } = planChain(config);
  const dropPath = rowBytes(config.model.backbone.depth * 2 * groups, group);
  const arrays = [step.inputs[0]!.byteLength, step.labels.byteLength, ...masks, factors, dropPath];
  expect(up).toEqual({ number: arrays.length, bytes: sum(arrays) });
  // Losses and correct pixels.
  expect(down).toEqual({ number: 2, bytes: 2 * 4 * batch });
});

test('with the state on the host a step copies the weights in for each direction, and the gradients out', async () => {
  const [onDevice, onHost] = [await countChain(tiny('device')), await countChain(tiny('host'))];
  const config = tiny('host');
  const plan = planChain(config);
  const specs = chainSpecs(config, plan);
  const heads = headSpecs(config.model);
  const backbone = elements(specs) - elements(heads) - elements(plan.normSpecs);
  const trained = specs.filter(isParameter);
  const factors = rowBytes(trained.length, 3);
  // In bfloat16, for both directions; the heads' in float32 and the last norm's once.
  const weights = 2 * 2 * backbone + 2 * elements(plan.normSpecs) + 4 * elements(heads);
  expect(onHost.up.bytes - onDevice.up.bytes).toBe(weights - factors);
  const statistics = elements(runningSpecs(config.model));
  expect(onHost.down.bytes - onDevice.down.bytes).toBe(4 * (elements(trained) + statistics));
});

test('a device that is lost in the middle of a backward pass costs the worker, and all is disposed of', async () => {
  const config = tiny('device');
  const memory = deviceMemory();
  const observer: ChainObserver = {
    tokens(kind, block) {
      if (kind === 'gradient' && block === 0) process.env.FAKE_CUDA_FAULT = 'lost';
    },
  };
  {
    using chain = await openChain({ config, threads: 1, observer });
    expect(() => chain.step(zerosStep(config))).toThrow(
      expect.objectContaining({
        failureClass: 'WorkerLost',
        message: expect.stringMatching(/^the GPU failed/),
      }),
    );
  }
  expect(memory.peak()).toBeGreaterThan(0);
  expect(memory.now()).toBe(0);
});

test('so does one that is lost under the training’s thread', async () => {
  const config = tiny('device');
  await using trainer = await ModelTrainer.open({ config, step: 0, threads: 1 });
  const batch = () => {
    const { inputs, labels } = zerosStep(config);
    return { features: inputs as Float32Array<ArrayBuffer>[], labels: labels as Uint8Array<ArrayBuffer> };
  };
  await trainer.step(batch());
  process.env.FAKE_CUDA_FAULT = 'lost';
  await expect(trainer.step(batch())).rejects.toMatchObject({ failureClass: 'WorkerLost' });
  expect(trainer.state().step).toBe(1);
});

/** Of float32 rows, each of which begins at a multiple of 16 bytes. */
function rowBytes(rows: number, length: number): number {
  return rows * Math.ceil(length / 4) * 16;
}

function elements(specs: TensorSpec[]): number {
  return sum(specs.map(({ shape }) => elementCount(shape)));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
