import { Session } from '../../../../activities/onnx/c-api/session.ts';
import { ChainState } from '../../../../activities/train/chain/chain-state.ts';
import { copyIn } from '../../../../activities/train/chain/head-stage.ts';
import { openOptimizers } from '../../../../activities/train/chain/optimizer.ts';
import { RowTensor } from '../../../../activities/train/chain/row-tensor.ts';
import { Parts, runStage, type Tensors } from '../../../../activities/train/chain/run-stage.ts';
import { elementCount, ITEM_BYTES } from '../../../../core/checkpoint/dtypes.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { backboneFlops, tokensPerImage, vitOf } from '../../../../core/model/backbone.ts';
import { bfloat16Bits } from '../../../../core/model/bfloat16.ts';
import {
  type BackboneStage,
  backwardGraph,
  DROP_PATH,
  forwardGraph,
  gradientOutput,
  TOKENS_IN,
  TOKENS_IN_GRAD,
  TOKENS_OUT,
  TOKENS_OUT_GRAD,
  tokensShape,
} from '../../../../core/model/chain/backbone-stages.ts';
import { planChain } from '../../../../core/model/chain/chain-plan.ts';
import { adamwFactors, FACTORS } from '../../../../core/onnx/adamw.ts';
import { median } from '../../bench-report.ts';
import { attempt, gb, share, taken, usedMemory } from '../figures.ts';
import { matmulTflops } from '../matrix-products.ts';
import type { Bench } from '../phase.ts';
import { randomNumbers, randomTensor } from './random-numbers.ts';
import { FEW_SHOT, trainingConfig } from './training-config.ts';

/** Crops of a group. */
const GROUPS = { whole: [8, 4], small: [2, 1] };
/** What AdamW must move for a parameter: gradient, parameter and moments read, the last three written, and a copy. */
const ADAMW_BYTES = 7 * ITEM_BYTES.float32;

/** A block's training step at the 6B's width: what the sum over 48 blocks is made of. */
export async function blockStep(bench: Bench): Promise<void> {
  const { device, small, passes, record } = bench;
  const config = await trainingConfig(bench, FEW_SHOT);
  const { precision, threads } = config.run;
  const peak = await matmulTflops(device, precision, threads, passes);
  record({ peakTflops: peak, precision }, `matrix products: ${peak.toFixed(2)} TFLOP/s, ${precision}`);
  for (const group of small ? GROUPS.small : GROUPS.whole)
    await attempt(bench, `group of ${group}`, async () => {
      const before = await usedMemory(device);
      const { seconds, parameters, memory } = await timeBlock(config, group, bench);
      const flops = group * blockFlops(config);
      // All that is computed, and what of it a framework that keeps every value would compute.
      const computed = 3 * flops - group * lastProductFlops(config) + flops;
      const tflops = {
        forward: flops / seconds.forward / 1e12,
        backward: (computed - flops) / seconds.backward / 1e12,
        useful: (3 * flops) / (seconds.forward + seconds.backward) / 1e12,
      };
      const bytes = parameters * (ADAMW_BYTES + (precision === 'float32' ? 0 : ITEM_BYTES[precision]));
      const adamw = bytes / seconds.optimizer / 1e9;
      const usedBytes = taken(before, memory);
      record(
        { group, seconds, tflops, peakTflops: peak, adamwGbPerSecond: adamw, parameters, usedBytes },
        `group of ${group}: forward ${ms(seconds.forward)}, ${tflops.forward.toFixed(1)} TFLOP/s (${share(tflops.forward, peak)} of the peak); ` +
          `recomputation and backward ${ms(seconds.backward)}, ${tflops.backward.toFixed(1)} (${share(tflops.backward, peak)}); ` +
          `without what is computed twice ${tflops.useful.toFixed(1)} (${share(tflops.useful, peak)}); ` +
          `AdamW ${ms(seconds.optimizer)}, ${adamw.toFixed(0)} GB/s; memory ${gb(usedBytes)}`,
      );
    });
}

async function timeBlock(config: TrainableConfig, group: number, { device, passes }: Bench) {
  const { model, run, train } = config;
  const { backbone } = model;
  const hasDropPath = train.dropPathRate > 0;
  const plan = planChain({ ...config, train: { ...train, batch: group }, run: { ...run, batch: group } });
  const { dtype } = plan;
  const specs = plan.specs.block;
  const stage: BackboneStage = { kind: 'block', backbone, batch: group, dtype, specs, hasDropPath };
  const settings = { device, threads: run.threads, memoryPattern: false };
  using forward = await Session.open(forwardGraph(stage), settings);
  using backward = await Session.open(backwardGraph(stage, specs, true), settings);
  using optimizers = await openOptimizers(config, plan, settings);
  using state = new ChainState(forward, optimizers.plain, {
    specs,
    isTrained: () => true,
    dtypeOf: () => dtype,
    isOnHost: false,
  });
  for (const spec of specs) state.put({ name: spec.name, data: randomTensor(spec) });
  using factors = new RowTensor(optimizers.plain, specs.length, FACTORS.length);
  factors.set(
    specs.flatMap(({ shape }) => {
      const { lr, weightDecay } = train.optimizer;
      const row = adamwFactors(train.optimizer, 1, lr, shape.length > 1 ? weightDecay : 0);
      return FACTORS.map((factor) => row[factor]);
    }),
  );

  using tensors = new Parts();
  const shape = tokensShape(stage);
  const tokens = (deviation: number) => {
    const tensor = tensors.add(forward.allocate(dtype, shape));
    const values = randomNumbers(elementCount(shape), 0, deviation);
    if (dtype === 'bfloat16') copyIn(dtype, bfloat16Bits(values), tensor);
    else copyIn('float32', values, tensor);
    return tensor;
  };
  const inputs: Tensors = { [TOKENS_IN]: tokens(1) };
  const outputGrad = tokens(1e-3);
  const output = { [TOKENS_OUT]: tensors.add(forward.allocate(dtype, shape)) };
  const names = specs.map(({ name }) => name);
  for (const [i, tensor] of state.stage('block', names).entries()) inputs[names[i]!] = tensor;
  if (hasDropPath)
    for (const name of Object.values(DROP_PATH)) {
      inputs[name] = tensors.add(forward.allocate('float32', [group]));
      copyIn('float32', new Float32Array(group).fill(1), inputs[name]);
    }
  const gradients = specs.map((spec) => tensors.add(forward.allocate('float32', spec.shape)));
  const outputs: Tensors = { [TOKENS_IN_GRAD]: tensors.add(forward.allocate(dtype, shape)) };
  for (const [i, name] of names.entries()) outputs[gradientOutput(name)] = gradients[i]!;

  const runs: { forward: number; backward: number; optimizer: number }[] = [];
  for (let pass = 0; pass <= passes; pass++) {
    const times = [performance.now()];
    runStage(forward, inputs, output);
    times.push(performance.now());
    runStage(backward, Object.assign({ [TOKENS_OUT_GRAD]: outputGrad }, inputs), outputs);
    times.push(performance.now());
    for (const [i, name] of names.entries()) {
      using row = factors.row(i);
      optimizers.update(state.get(name), gradients[i]!, row);
    }
    times.push(performance.now());
    const [first, second, third] = [0, 1, 2].map((i) => (times[i + 1]! - times[i]!) / 1000);
    // The first one makes the libraries' handles, and takes memory.
    if (pass > 0) runs.push({ forward: first!, backward: second!, optimizer: third! });
  }
  const of = (part: 'forward' | 'backward' | 'optimizer') => median(runs.map((run) => run[part]));
  return {
    seconds: { forward: of('forward'), backward: of('backward'), optimizer: of('optimizer') },
    parameters: specs.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    memory: await usedMemory(device),
  };
}

/** Of one crop, forward. */
export function blockFlops({ model: { backbone } }: Pick<TrainableConfig, 'model'>): number {
  const [two, one] = [1, 0].map((tap) => backboneFlops({ backbone: { ...backbone, taps: [tap] } }));
  return two! - one!;
}

/** Of the feed-forward part's last product, whose value no gradient needs: it is not computed again. */
function lastProductFlops({ model: { backbone } }: TrainableConfig): number {
  const { embedDim, ffn } = vitOf(backbone);
  return 2 * tokensPerImage(backbone) * embedDim * ffn.hidden;
}

function ms(seconds: number): string {
  return `${(1000 * seconds).toFixed(1)} ms`;
}
