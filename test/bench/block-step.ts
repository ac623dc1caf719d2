import { parseArgs } from 'node:util';
import { DeviceTensor } from '../../activities/onnx/c-api/device-tensor.ts';
import { Session } from '../../activities/onnx/c-api/session.ts';
import { ChainState } from '../../activities/train/chain/chain-state.ts';
import { pieceOf, updateTensor } from '../../activities/train/chain/optimizer.ts';
import { runStage, type Tensors } from '../../activities/train/chain/run-stage.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import {
  type BackboneStage,
  backwardGraph,
  blockSpecs,
  forwardGraph,
  gradientOutput,
  TOKENS_IN,
  TOKENS_IN_GRAD,
  TOKENS_OUT,
  TOKENS_OUT_GRAD,
  tokensShape,
} from '../../core/model/chain/backbone-stages.ts';
import { FAMILIES } from '../../core/model/families/all.ts';
import { adamwFactors, adamwGraph, FACTORS } from '../../core/onnx/adamw.ts';
import { drawsAt } from '../../core/train/draws.ts';

/*
 * Training steps of one block of InternViT on the chain's own parts: forward, recomputation and backward, AdamW. A process
 * of its own, so that its peak memory is that of the steps alone; the counterpart of block_step.py, with the same options
 * and the same line of output.
 */
const OPTIMIZER = { betas: [0.9, 0.999] as [number, number], eps: 1e-8 };
const LEARNING_RATE = 4e-5;
const WEIGHT_DECAY = 0.05;
const PATCH_PX = 14;

const names = ['embed', 'heads', 'mlp', 'tokens', 'batch', 'steps', 'threads'] as const;
const { values } = parseArgs({
  options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
});
const number = (name: (typeof names)[number]) => Number(values[name]);
const [embed, batch, steps, threads] = [number('embed'), number('batch'), number('steps'), number('threads')];
const sidePx = Math.sqrt(number('tokens') - 1) * PATCH_PX;

const backbone = FAMILIES.InternViT.schema.parse({
  type: 'InternViT',
  pretrainSizePx: 224,
  imageSizePx: sidePx,
  patchSizePx: PATCH_PX,
  embedDim: embed,
  depth: 1,
  heads: number('heads'),
  mlpRatio: number('mlp') / embed,
  taps: [0],
});
const specs = blockSpecs(backbone);
const kind = 'block' as const;
const stage: BackboneStage = { kind, backbone, batch, dtype: 'float32', specs, hasDropPath: false };
const options = { device: 'cpu' as const, threads, memoryPattern: false };
using forward = await Session.open(forwardGraph(stage), options);
using backward = await Session.open(backwardGraph(stage, specs, true), options);
using adamw = await Session.open(adamwGraph(OPTIMIZER), options);
const piece = pieceOf(options);
using state = new ChainState(forward, forward, {
  specs,
  isTrained: () => true,
  dtypeOf: () => 'float32',
  isOnHost: false,
});

const draws = drawsAt(0, 'block step');
/** Random enough for products, and drawn in a moment. */
const fill = (tensor: DeviceTensor, deviation: number, mean = 0) => {
  const data = tensor.data as Float32Array;
  const pattern = Float32Array.from({ length: 4093 }, () => mean + deviation * draws.normal());
  for (let start = 0; start < data.length; start += pattern.length)
    data.set(pattern.subarray(0, data.length - start), start);
  return tensor;
};
for (const { name, shape } of specs)
  fill(state.get(name).value, shape.length > 1 ? 0.02 : 0, shape.length > 1 ? 0 : 0.5);
const shape = tokensShape(stage);
const tokens = fill(forward.allocate('float32', shape), 1);
const outputGrad = fill(forward.allocate('float32', shape), 1e-3);
const [output, inputGrad] = [forward.allocate('float32', shape), forward.allocate('float32', shape)];
const gradients = new Map(specs.map((spec) => [spec.name, forward.allocate('float32', spec.shape)]));
const inputs: Tensors = { [TOKENS_IN]: tokens };
for (const { name } of specs) inputs[name] = state.get(name).value;
const backwardOutputs: Tensors = { [TOKENS_IN_GRAD]: inputGrad };
for (const [name, gradient] of gradients) backwardOutputs[gradientOutput(name)] = gradient;

const rows = [];
for (let step = 1; step <= steps; step++) {
  const before = process.cpuUsage();
  const times = [performance.now()];
  runStage(forward, inputs, { [TOKENS_OUT]: output });
  times.push(performance.now());
  runStage(backward, Object.assign({ [TOKENS_OUT_GRAD]: outputGrad }, inputs), backwardOutputs);
  times.push(performance.now());
  for (const { name, shape } of specs) {
    const factors = adamwFactors(OPTIMIZER, step, LEARNING_RATE, shape.length > 1 ? WEIGHT_DECAY : 0);
    using row = DeviceTensor.over(
      'float32',
      Float32Array.from(FACTORS, (factor) => factors[factor]),
      [FACTORS.length],
    );
    updateTensor({ session: adamw, piece }, state.get(name), gradients.get(name)!, row);
  }
  times.push(performance.now());
  const { user, system } = process.cpuUsage(before);
  const between = (from: number, to: number) => (times[to]! - times[from]!) / 1000;
  rows.push({
    seconds: between(0, 3),
    cpuSeconds: (user + system) / 1e6,
    parts: { forward: between(0, 1), backward: between(1, 2), optimizer: between(2, 3) },
  });
}
console.log(
  JSON.stringify({
    seconds: rows.map((row) => row.seconds),
    cpu_seconds: rows.map((row) => row.cpuSeconds),
    parts: rows.map((row) => row.parts),
    parameters: specs.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    peak_bytes: process.resourceUsage().maxRSS * 1024,
    threads,
  }),
);
for (const tensor of [tokens, outputGrad, output, inputGrad, ...gradients.values()]) tensor[Symbol.dispose]();
