import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import type { TensorToWrite } from '../../core/checkpoint/torch-writer.ts';
import type { VitModel } from '../../core/config/model-kinds.ts';
import { publishedSpecs } from '../../core/model/backbone.ts';
import type { TensorSpec } from '../../core/model/tensor-spec.ts';
import { createRandom } from './scene-random.ts';

/** Patches of the training images, as the head sees them. */
export interface PatchSamples {
  /** `[N, C]`. */
  features: Matrix;
  /** `[N]`, class of the patch; patches of no or mixed class are left out. */
  classes: number[];
}

/**
 * Random weights of a backbone that keep what a linear head needs: colours and textures of patches go in as
 * they are, and the blocks add non-linear mixtures of them and of their surroundings.
 */
export function randomBackbone(model: VitModel, seed: number): TensorToWrite[] {
  const random = createRandom(seed);
  return publishedSpecs(model.backbone).map((spec) =>
    float32(spec.name.slice('backbone.'.length), spec.shape, initial(spec, random.normal)),
  );
}

function initial({ name, shape }: TensorSpec, normal: () => number): Float32Array {
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (/norm\d?\.weight$/.test(name)) return Float32Array.from({ length: size }, () => 1 + 0.1 * normal());
  if (name.endsWith('gamma')) return Float32Array.from({ length: size }, () => 0.35);
  if (name.endsWith('patch_embed.proj.weight')) return waveFilters(shape, normal);
  const fanIn = shape.length > 1 ? shape.at(-1)! : 1;
  const deviation = name.endsWith('bias') ? 0.3 : name.endsWith('pos_embed') ? 0.15 : 1.5 / Math.sqrt(fanIn);
  return Float32Array.from({ length: size }, () => deviation * normal());
}

/** Filters that answer to a colour in a wave of some direction and frequency; a third are flat. */
function waveFilters([count, , height, width]: number[], normal: () => number): Float32Array {
  const out: number[] = [];
  for (let k = 0; k < count!; k++) {
    const color = [normal(), normal(), normal()];
    const flat = k % 3 === 0;
    const [fx, fy] = flat ? [0, 0] : [2.5 * normal(), 2.5 * normal()];
    const phase = flat ? 0 : Math.PI * normal();
    const strength = (flat ? 1 : 2.5) / (height! * width!);
    for (const weight of color)
      for (let y = 0; y < height!; y++)
        for (let x = 0; x < width!; x++)
          out.push(
            weight *
              strength *
              Math.cos((2 * Math.PI * (fx! * x)) / width! + (2 * Math.PI * fy! * y) / height! + phase),
          );
  }
  return Float32Array.from(out);
}

/**
 * The linear head in closed form: linear discriminant analysis of patch features, after the batch norm whose
 * running statistics are those of the features.
 */
export function fitHead({ head }: VitModel, { features, classes }: PatchSamples): TensorToWrite[] {
  const channels = head.channels;
  const mean = features.mean('column');
  const variance = features.variance('column', { mean, unbiased: false });
  const { batchNormEps } = head;
  const normalised = features
    .clone()
    .subRowVector(mean)
    .divRowVector(variance.map((v) => Math.sqrt(v + batchNormEps)));

  const members = Array.from({ length: head.classes }, (): number[] => []);
  for (const [row, label] of classes.entries()) members[label]!.push(row);
  const means = Matrix.zeros(head.classes, channels);
  for (const [label, rows] of members.entries())
    if (rows.length > 0)
      means.setRow(
        label,
        normalised
          .subMatrix(0, normalised.rows - 1, 0, channels - 1)
          .selection(rows, range(channels))
          .mean('column'),
      );

  const within = normalised.clone();
  for (const [row, label] of classes.entries())
    within.setRow(row, Matrix.sub(within.getRowVector(row), means.getRowVector(label)).to1DArray());
  const covariance = within.transpose().mmul(within).div(normalised.rows);
  for (let c = 0; c < channels; c++) covariance.set(c, c, covariance.get(c, c) + 0.02);
  const weights = new CholeskyDecomposition(covariance).solve(means.transpose()).transpose();

  const bias = members.map((rows, label) => {
    // A class that the training images don't have is never the best.
    if (rows.length === 0) return -100;
    const half = 0.5 * weights.getRowVector(label).dot(means.getRowVector(label));
    // Frequent classes are preferred, but less than their share says: mIoU counts classes alike.
    return 0.5 * Math.log(rows.length / classes.length) - half;
  });
  return [
    float32(
      'decode_head.conv_seg.weight',
      [head.classes, channels, 1, 1],
      Float32Array.from(weights.to1DArray()),
    ),
    float32('decode_head.conv_seg.bias', [head.classes], Float32Array.from(bias)),
    float32('decode_head.norm.weight', [channels], new Float32Array(channels).fill(1)),
    float32('decode_head.norm.bias', [channels], new Float32Array(channels)),
    float32('decode_head.norm.running_mean', [channels], Float32Array.from(mean)),
    float32('decode_head.norm.running_var', [channels], Float32Array.from(variance)),
  ];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function float32(name: string, shape: number[], data: Float32Array): TensorToWrite {
  return {
    name,
    dtype: 'float32',
    shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}
