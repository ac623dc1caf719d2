import { elementCount } from '../checkpoint/dtypes.ts';
import type { VitConfig } from '../config/model-kinds.ts';
import { headSpecs } from '../model/head.ts';
import type { TensorSpec } from '../model/tensor-spec.ts';
import { drawsAt } from './draws.ts';

/**
 * A head's parameters and running statistics before the first step, by name. Each tensor is a function of the seed and
 * its name, independent of the other tensors.
 *
 * @throws Error for a tensor without an initialisation rule
 * @see the source beside each rule below; the pyramid's first weights are float32 here, and rounded to bfloat16 in the
 * original
 */
export function initialHead({ model }: Pick<VitConfig, 'model'>, seed: number): Map<string, Float32Array> {
  return new Map(headSpecs(model).map((spec) => [spec.name, whole(initialTensor(spec, seed))]));
}

function whole<T>(pieces: Generator<undefined, T>): T {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
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

/** A tensor, in pieces, so that other tasks can run in between: UperNet's 480 million numbers take 15 seconds. */
export function* initialTensor(
  { name, shape }: TensorSpec,
  seed: number,
): Generator<undefined, Float32Array> {
  const rule = RULES.find(([pattern]) => pattern.test(name))?.[1];
  if (!rule) throw new Error(`${name}: no initialisation is known for it`);
  const data = new Float32Array(elementCount(shape));
  if ('constant' in rule) return data.fill(rule.constant);
  const std = rule.std(shape);
  const { normal } = drawsAt(seed, 'initial', name);
  for (let start = 0; start < data.length; start += PIECE) {
    const end = Math.min(start + PIECE, data.length);
    for (let i = start; i < end; i++) data[i] = std * normal();
    yield;
  }
  return data;
}
