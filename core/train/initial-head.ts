import { elementCount } from '../checkpoint/dtypes.ts';
import type { VitConfig, VitModel } from '../config/model-kinds.ts';
import type { HeadState, HeadTensor } from '../config/train.ts';
import { headSpecs, isParameter } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { drawsAt } from './draws.ts';

/**
 * A head's state before the first step. Each tensor is a function of the seed and its name, independent of the other
 * tensors.
 *
 * @throws Error for a tensor without an initialisation rule
 * @see the source beside each rule below; the pyramid's first weights are float32 here, and rounded to bfloat16 in the
 * original
 */
export function initialHead({ model }: Pick<VitConfig, 'model'>, seed: number): HeadState {
  const tensors = initialTensors(model, seed);
  for (;;) {
    const { done, value } = tensors.next();
    if (done) return headAtStart(value);
  }
}

/** The tensors, in pieces, so that other tasks can run in between: UperNet's 480 million numbers take 15 seconds. */
export function* initialTensors(model: VitModel, seed: number): Generator<undefined, HeadState['tensors']> {
  const tensors: HeadState['tensors'] = new Map();
  for (const spec of headSpecs(model)) tensors.set(spec.name, yield* initialTensor(spec, seed));
  return tensors;
}

/** The state at step 0: the tensors, and zero moments for the parameters. */
export function headAtStart(tensors: HeadState['tensors']): HeadState {
  const trained = [...tensors].filter(([name]) => isParameter({ name }));
  const zeros = ({ data }: HeadTensor) => new Float32Array(data.length);
  const moments = trained.map(
    ([name, tensor]) => [name, { first: zeros(tensor), second: zeros(tensor) }] as const,
  );
  return { step: 0, tensors, moments: new Map(moments) };
}

/** A constant, or the standard deviation of normal numbers around 0. */
type Rule = { constant: number } | { std: (shape: number[]) => number };

/** The first rule whose pattern a name matches. */
const RULES: [RegExp, Rule][] = [
  // mmseg 0.30 `BaseDecodeHead`: init_cfg with an override for conv_seg.
  [/\.conv_seg\.weight$/, { std: () => 0.01 }],
  // mmcv 1.7 `ConvModule.init_weights`: He's, by the outputs. Weights are [out, in, k, k].
  [/\.conv\.weight$/, { std: ([out, , ...kernel]) => Math.sqrt(2 / elementCount([out!, ...kernel])) }],
  // InternVL `InternViT6B._init_weights`: the same of transposed convolutions, [in, out, k, k].
  [/\.up1\.[03]\.weight$|\.up2\.0\.weight$/, { std: ([, ...rest]) => Math.sqrt(2 / elementCount(rest)) }],
  // Norms start as the identity, with the running statistics of a new torch BatchNorm.
  [/(\.bn|\.norm|\.up1\.1)\.weight$|\.running_var$/, { constant: 1 }],
  [/\.bias$|\.running_mean$/, { constant: 0 }],
];

/** Numbers that are drawn at once, which takes a few hundredths of a second. */
const PIECE = 1 << 20;

function* initialTensor({ name, shape }: TensorSpec, seed: number): Generator<undefined, HeadTensor> {
  const rule = RULES.find(([pattern]) => pattern.test(name))?.[1];
  if (!rule) throw new Error(`${name}: no initialisation is known for it`);
  const data = new Float32Array(elementCount(shape));
  if ('constant' in rule) return { shape, data: data.fill(rule.constant) };
  const std = rule.std(shape);
  const { normal } = drawsAt(seed, 'initial', name);
  for (let start = 0; start < data.length; start += PIECE) {
    const end = Math.min(start + PIECE, data.length);
    for (let i = start; i < end; i++) data[i] = std * normal();
    yield;
  }
  return { shape, data };
}
