import { createHash } from 'node:crypto';
import { copyTensors } from '../../../../activities/onnx/c-api/copy-tensors.ts';
import { DeviceTensor } from '../../../../activities/onnx/c-api/device-tensor.ts';
import { elementCount } from '../../../../core/checkpoint/dtypes.ts';
import type { TrainableConfig } from '../../../../core/config/train-run.ts';
import { chainSpecs } from '../../../../core/model/chain/chain-plan.ts';
import { isTrained } from '../../../../core/train/trainable.ts';
import { attempt } from '../figures.ts';
import type { Bench } from '../phase.ts';
import { openBenchChain } from './bench-chain.ts';
import { FEW_SHOT, trainingConfig } from './training-config.ts';

const STEPS = 3;
/** Crops of a step, in two groups. */
const BATCH = ['train.batch=4', 'run.batch=2'];

interface Trained {
  /** Of each step. */
  losses: number[];
  /** Of each parameter, in the first step. */
  gradients: Map<string, Float32Array>;
  /** Of all gradients, and of every number of the last state. */
  digest: string;
}

/** Losses and gradients of a narrow chain beside the CPU's in float32, and whether the same run gives the same bits. */
export async function trainingNumbers(bench: Bench): Promise<void> {
  // A CPU computes the same in seconds.
  const narrow = { ...bench, small: true };
  const name = bench.small ? 'tiny_few_shot' : FEW_SHOT;
  const config = (...own: string[]) => trainingConfig(narrow, name, ...BATCH, ...own);
  const onCpu = await train(await config('run.device=cpu', 'run.precision=float32'));
  bench.record({ what: 'CPU, float32', losses: onCpu.losses }, `CPU, float32: loss ${lossesText(onCpu)}`);
  for (const { what, own, cuda } of variants(bench))
    await attempt(bench, what, async () => {
      const one = await config(...own);
      const trained = await train(one, cuda);
      const isSame = (await train(one, cuda)).digest === trained.digest;
      const apart = difference(onCpu, trained);
      bench.record(
        { what, losses: trained.losses, isSame, ...apart },
        `${what}: loss ${lossesText(trained)}; beside the CPU losses differ by ${apart.lossesApart.toPrecision(2)} of theirs, ` +
          `gradients by ${apart.gradientsApart.toPrecision(2)} in all, at most by ${apart.worstApart.toPrecision(2)} of a tensor's largest ` +
          `(${apart.worst}); the same run again: ${isSame ? 'the same bits' : 'OTHER BITS'}`,
      );
    });
}

function variants({ device }: Bench): { what: string; own: string[]; cuda?: Record<string, string> }[] {
  const float32 = 'run.precision=float32';
  if (device === 'cpu') return [{ what: 'CPU, float32, one thread', own: [float32, 'run.threads=1'] }];
  return [
    { what: 'CUDA, float32, use_tf32 1', own: [float32], cuda: { use_tf32: '1' } },
    { what: 'CUDA, float32, use_tf32 0', own: [float32], cuda: { use_tf32: '0' } },
    { what: 'CUDA, bfloat16', own: ['run.precision=bfloat16'] },
    {
      what: 'CUDA, float32, use_tf32 0, state on the host',
      own: [float32, 'run.state=host'],
      cuda: { use_tf32: '0' },
    },
    { what: 'CUDA, float32, use_tf32 0, one group', own: [float32, 'run.batch=4'], cuda: { use_tf32: '0' } },
  ];
}

async function train(config: TrainableConfig, cuda: Record<string, string> = {}): Promise<Trained> {
  const hash = createHash('sha256');
  const gradients = new Map<string, Float32Array>();
  const losses: number[] = [];
  const observer = {
    gradient(name: string, gradient: DeviceTensor) {
      const numbers = numbersOf(gradient);
      hash.update(numbers);
      if (losses.length === 0) gradients.set(name, numbers);
    },
  };
  using opened = await openBenchChain(config, { cuda, observer });
  for (let step = 0; step < STEPS; step++) {
    const { sums, isSound } = opened.step(step);
    const loss = Object.values(sums).reduce((total, { loss }) => total + loss, 0);
    if (!isSound) throw new Error(`the loss of step ${step + 1} is ${loss}`);
    losses.push(loss);
  }
  for (const { name } of chainSpecs(config))
    for (const part of isTrained(config, name) ? (['value', 'first', 'second'] as const) : ['value' as const])
      hash.update(opened.chain.state.part(name, part));
  return { losses, gradients, digest: hash.digest('hex') };
}

/** Parts of one: of losses the largest, of gradients that of their length, and the worst of a tensor. */
function difference(expected: Trained, actual: Trained) {
  const losses = expected.losses.map((loss, i) => Math.abs(actual.losses[i]! - loss) / Math.abs(loss));
  const apart = { lossesApart: Math.max(...losses), gradientsApart: 0, worstApart: 0, worst: '' };
  let [squares, whole] = [0, 0];
  for (const [name, gradient] of expected.gradients) {
    const other = actual.gradients.get(name)!;
    let [largest, furthest] = [0, 0];
    for (const [i, value] of gradient.entries()) {
      const away = Math.abs(other[i]! - value);
      largest = Math.max(largest, Math.abs(value));
      furthest = Math.max(furthest, away);
      squares += away ** 2;
      whole += value ** 2;
    }
    if (largest === 0 || furthest / largest <= apart.worstApart) continue;
    apart.worstApart = furthest / largest;
    apart.worst = name;
  }
  apart.gradientsApart = Math.sqrt(squares / whole);
  return apart;
}

function numbersOf(on: DeviceTensor): Float32Array {
  const data = new Float32Array(elementCount(on.dims));
  using host = DeviceTensor.over('float32', data, on.dims);
  copyTensors([on], [host]);
  return data;
}

function lossesText({ losses }: Trained): string {
  return losses.map((loss) => loss.toFixed(6)).join(', ');
}
