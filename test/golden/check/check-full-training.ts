import { readFileSync } from 'node:fs';
import { copyTensors } from '../../../activities/onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../../activities/onnx/c-api/device-tensor.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { type Chain, openChain } from '../../../activities/train/chain/chain.ts';
import { elementCount } from '../../../core/checkpoint/dtypes.ts';
import { isBuilt, type PickleDict, type TensorRef } from '../../../core/checkpoint/pickle-values.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import { openTorchDict, openTorchFile } from '../../../core/checkpoint/torch-file.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { gradientOutput } from '../../../core/model/chain/backbone-stages.ts';
import {
  headStageGraph,
  headStageOf,
  LABELS,
  tapInput,
  tapShape,
} from '../../../core/model/chain/head-stage.ts';
import { headSpecs } from '../../../core/model/head.ts';
import { parameterGroups, stepFactors } from '../../../core/train/parameter-groups.ts';
import { stateSpecs } from '../../../core/train/state-specs.ts';
import {
  channelsLast,
  checkpointTensors,
  Log,
  type TrainingConfig,
  trainingConfig,
} from './check-training.ts';
import { compareArrays, compareNumber, type Row, verdict } from './compare.ts';
import type { FullTrainingRun, GoldenFolder } from './manifest.ts';
import { npyNumbers, readNpy } from './npy.ts';

/** What was computed, by kind, name and step of the manifest's `expected`. */
type Computed = Map<string, ArrayLike<number>>;
const keyOf = (kind: string, name: string, step: number) => `${kind} ${name} ${step}`;

/** Steps of the original on every parameter: what is forward, what comes back, what the optimizer makes of it. */
export async function checkFullTraining(golden: GoldenFolder, run: FullTrainingRun): Promise<Row[]> {
  const config = trainingConfig(golden, run, 'all');
  const computed: Computed = new Map();
  const rows = await straightRun(golden, run, config, computed);
  rows.push(...run.expected.map((expected) => rowOf(golden, expected, computed)));
  if (run.resume) rows.push(...(await resumedRun(golden, run, config, computed)));
  rows.push(await namesRow(golden, run, config));
  return rows;
}

/** Whether the original's segmentor takes a checkpoint of ours: it has the same tensors. */
async function namesRow(
  golden: GoldenFolder,
  { checkpoint }: FullTrainingRun,
  config: TrainingConfig,
): Promise<Row> {
  const bytes = readFileSync(golden.path(checkpoint));
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const file = await openTorchFile(checkpoint, bytes.length, read);
  const theirs = [...file.tensors.values()].map(({ name, shape }) => `${name} [${shape}]`);
  const ours = stateSpecs(config).map(({ name, shape }) => `${name} [${shape}]`);
  const counter = /\.num_batches_tracked \[/;
  const missing = theirs.filter((name) => !ours.includes(name) && !counter.test(name));
  const more = ours.filter((name) => !theirs.includes(name));
  const differing = [...missing, ...more];
  return verdict(
    `names and shapes of ${checkpoint}`,
    differing.length === 0,
    differing.slice(0, 2).join(', ') || `${ours.length} tensors`,
    'the same but for BatchNorm’s counters',
  );
}

async function straightRun(
  golden: GoldenFolder,
  run: FullTrainingRun,
  config: TrainingConfig,
  computed: Computed,
): Promise<Row[]> {
  const rows: Row[] = [];
  const { steps } = parseAs(Log, golden.json(run.log), run.log);
  const tolerance = run.log_tolerance;
  const norms = new Map<string, number>();
  let step = 0;
  using chain = await openChain({
    config,
    threads: 1,
    observer: {
      tokens(kind, block, tokens) {
        if (step > 0) return;
        const name = block < 0 ? 'tokens' : `block${block}`;
        computed.set(keyOf(kind === 'value' ? 'activation' : 'activation_grad', name, 0), numbersOf(tokens));
      },
      gradient(name, gradient) {
        const numbers = numbersOf(gradient);
        if (step === 0) computed.set(keyOf('grad', name, 0), numbers);
        norms.set(name, Math.hypot(...numbers));
      },
    },
  });
  for await (const tensor of checkpointTensors(golden.path(run.checkpoint), config)) chain.state.put(tensor);
  for (; step < run.inputs.length; step++) {
    const { losses, grad_norm: expectedNorms, grad_norm_all: all } = steps[step]!;
    const figures = takeStep(golden, run, config, chain, step);
    for (const [name, value] of Object.entries(losses)) {
      const most = name.endsWith('acc_seg') ? tolerance.acc_atol : tolerance.losses_rtol * Math.abs(value);
      rows.push(compareNumber(`${name} of step ${step}`, figures[name] ?? Number.NaN, value, most));
    }
    if (tolerance.grad_norm_rtol !== undefined)
      for (const [name, value] of [...Object.entries(expectedNorms), ['all', all!] as const]) {
        const actual = name === 'all' ? Math.hypot(...norms.values()) : (norms.get(name) ?? Number.NaN);
        const most = tolerance.zero.includes(name)
          ? tolerance.zero_grad_norm_atol
          : tolerance.grad_norm_rtol * value;
        rows.push(compareNumber(`norm of the gradient of ${name}, step ${step}`, actual, value, most));
      }
    collect(chain, config, step, computed);
  }
  if (run.expected.length > 0) await headValues(golden, run, config, computed);
  return rows;
}

/** The last step from the original's own checkpoint: to the bit what the straight run has. */
async function resumedRun(
  golden: GoldenFolder,
  run: FullTrainingRun,
  config: TrainingConfig,
  computed: Computed,
): Promise<Row[]> {
  const { checkpoint, next_step: next } = run.resume!;
  const moments = await optimizerTensors(golden, run, checkpoint);
  using chain = await openChain({ config, threads: 2 });
  for await (const { name, data } of checkpointTensors(golden.path(checkpoint), config)) {
    const [first, second] = ['exp_avg', 'exp_avg_sq'].map((part) => moments.get(`${name}.${part}`));
    chain.state.put({ name, data, ...(first && second ? { first, second } : {}) });
  }
  for (let step = next; step < run.inputs.length; step++) takeStep(golden, run, config, chain, step);
  const last = run.inputs.length - 1;
  const resumed: Computed = new Map();
  collect(chain, config, last, resumed);
  return run.expected
    .filter(({ kind, step }) => step === last && ['param', 'exp_avg', 'exp_avg_sq'].includes(kind))
    .map((expected) => {
      const { kind, name, step } = expected;
      const key = keyOf(kind, name, step);
      return compareArrays(`${key}, resumed`, resumed.get(key)!, computed.get(key)!, expected.tolerance);
    });
}

function takeStep(
  golden: GoldenFolder,
  run: FullTrainingRun,
  config: TrainingConfig,
  chain: Chain,
  step: number,
): Record<string, number> {
  const { train, model } = config;
  const { images, labels } = batchOf(golden, run, step);
  const specs = stateSpecs(config).filter(({ isTrained }) => isTrained);
  const groups = parameterGroups(train.optimizer, model.backbone.depth, specs);
  const { sums } = chain.step({
    inputs: [images],
    labels,
    dropPath: train.dropPathRate > 0 ? dropPathOf(golden, run, step) : null,
    dropoutMasks: {},
    factors: stepFactors(train, groups, step, (scale) => run.learning_rates[step]! * scale),
  });
  const labelled = labels.reduce((count, label) => count + Number(label !== 255), 0);
  const figures: Record<string, number> = { loss: 0 };
  for (const [name, { loss, correct }] of Object.entries(sums)) {
    const weighted = loss * (name === 'aux' ? train.auxiliaryLossWeight : 1);
    figures[`${name}.loss_ce`] = weighted;
    figures[`${name}.acc_seg`] = (100 * correct) / labelled;
    figures.loss! += weighted;
  }
  return figures;
}

/** What the head gets and gives at step 0, and the gradients of both: values inside of the head stage. */
async function headValues(
  golden: GoldenFolder,
  run: FullTrainingRun,
  config: TrainingConfig,
  computed: Computed,
): Promise<void> {
  const names = run.expected.flatMap(({ kind, name }) =>
    kind === 'activation' && /^(feat\d+|head_logits)$/.test(name) ? [name] : [],
  );
  const stage = headStageOf(config);
  const session = await openSession(headStageGraph({ ...stage, stages: names }), {
    device: golden.device,
    threads: 1,
  });
  const { labels } = batchOf(golden, run, 0);
  const feeds: Record<string, ReturnType<typeof tensor>> = {
    [LABELS]: tensor(labels, [run.batch, run.crop, run.crop]),
  };
  for (const [tap, block] of config.model.backbone.taps.entries())
    feeds[tapInput(tap)] = tensor(
      computed.get(keyOf('activation', `block${block}`, 0)) as Float32Array,
      tapShape(stage),
    );
  const shapes = new Map(headSpecs(config.model).map(({ name, shape }) => [name, shape]));
  for await (const { name, data } of checkpointTensors(golden.path(run.checkpoint), config))
    if (shapes.has(name)) feeds[name] = tensor(data, shapes.get(name)!);
  const outputs = await runSession(session, feeds, golden.device);
  await session.release();
  for (const name of names) {
    computed.set(keyOf('activation', name, 0), outputs[name]!.data as Float32Array);
    computed.set(keyOf('activation_grad', name, 0), outputs[gradientOutput(name)]!.data as Float32Array);
  }
}

function rowOf(
  golden: GoldenFolder,
  { kind, name, step, file, tolerance }: FullTrainingRun['expected'][number],
  computed: Computed,
): Row {
  const values = computed.get(keyOf(kind, name, step)) ?? [];
  return compareArrays(file, values, npyNumbers(readNpy(golden.path(file))), tolerance);
}

function collect(chain: Chain, config: TrainingConfig, step: number, computed: Computed): void {
  for (const { name, isTrained } of stateSpecs(config)) {
    computed.set(keyOf(isTrained ? 'param' : 'running', name, step), chain.state.part(name, 'value'));
    if (!isTrained) continue;
    computed.set(keyOf('exp_avg', name, step), chain.state.part(name, 'first'));
    computed.set(keyOf('exp_avg_sq', name, step), chain.state.part(name, 'second'));
  }
}

function batchOf(golden: GoldenFolder, { inputs }: FullTrainingRun, step: number) {
  const { data, shape } = readNpy(golden.path(inputs[step]!.input));
  return {
    images: channelsLast(data as Float32Array, shape),
    labels: Uint8Array.from(npyNumbers(readNpy(golden.path(inputs[step]!.label)))),
  };
}

/** `[step, block, branch, sample]`: what was drawn in a step. */
function dropPathOf(golden: GoldenFolder, { drop_path: file }: FullTrainingRun, step: number): Float32Array {
  const { data, shape } = readNpy(golden.path(file!));
  const length = elementCount(shape) / shape[0]!;
  return Float32Array.from(data as Float32Array).subarray(step * length, (step + 1) * length);
}

/** Moments out of the original's checkpoint, whose optimizer numbers the parameters through its groups. */
async function optimizerTensors(
  golden: GoldenFolder,
  run: FullTrainingRun,
  checkpoint: string,
): Promise<Map<string, Float32Array>> {
  const bytes = readFileSync(golden.path(checkpoint));
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const file = await openTorchDict(checkpoint, bytes.length, read);
  const { parameters } = golden.json(run.optimizer) as { parameters: { name: string }[] };
  const state = (file.top.get('optimizer') as PickleDict).get('state') as PickleDict;
  const entries = parameters.flatMap(({ name }, index): [string, TensorRef][] => {
    const moments = (state.get(index) ?? state.get(BigInt(index))) as PickleDict;
    return ['exp_avg', 'exp_avg_sq'].map((part) => {
      const value = moments.get(part);
      if (!isBuilt(value, 'tensor')) throw new Error(`${checkpoint}: no ${part} of ${name}`);
      return [`${name}.${part}`, value];
    });
  });
  const found = new Map<string, Float32Array>();
  for (const [name, placed] of await file.place(entries))
    found.set(
      name,
      Float32Array.from(toFloat32(await readTensor({ name: checkpoint }, placed, read), placed.dtype)),
    );
  return found;
}

function numbersOf(on: DeviceTensor): Float32Array {
  const data = new Float32Array(elementCount(on.dims));
  using host = DeviceTensor.over('float32', data, on.dims);
  copyTensors([on], [host]);
  return data;
}
