import { toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Tensor } from '../../../activities/onnx/runtime.ts';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import type { BackboneConfig } from '../../../core/config/config.ts';
import { backboneSpecs, layerOf, vitOf } from '../../../core/model/backbone.ts';
import {
  type BackboneStage,
  backwardGraph,
  blockSpecs,
  DROP_PATH,
  forwardGraph,
  gradientOutput,
  TOKENS_IN,
  TOKENS_IN_GRAD,
  TOKENS_OUT,
  TOKENS_OUT_GRAD,
  tokensShape,
} from '../../../core/model/chain/backbone-stages.ts';
import { FAMILIES } from '../../../core/model/families/all.ts';
import { IMAGES } from '../../../core/model/features-graph.ts';
import type { TensorSpec } from '../../../core/model/tensor-spec.ts';
import { ModelProtoSchema } from '../../../core/onnx/onnx_pb.ts';
import { drawsAt } from '../../../core/train/draws.ts';
import { FLOAT32_END, withFloat32Ends } from '../../infra/float32-ends.ts';

const BATCH = 2;
const COMMON = { imageSizePx: 28, patchSizePx: 14, embedDim: 16, depth: 2, heads: 2, taps: [1] };
const INTERN_VIT = { type: 'InternViT' as const, pretrainSizePx: 28, mlpRatio: 2, ...COMMON };
const DINO_V2 = { type: 'DINOv2' as const, pretrainSizePx: 28, hiddenChannels: 24, ...COMMON };
const DINO_V3 = { type: 'DINOv3' as const, hiddenChannels: 24, ...COMMON };

interface Case {
  kind: BackboneStage['kind'];
  backbone: BackboneConfig;
  isDropPath: boolean;
}

const STAGES: Record<string, Case> = {
  'InternViT-6B’s block': block(INTERN_VIT, false),
  'InternViT-6B’s block with drop path': block(INTERN_VIT, true),
  'InternViT-300M’s block': block(
    { ...INTERN_VIT, norm: 'layer', qkNormalization: false, qkvBias: true },
    true,
  ),
  'DINOv2’s block with registers': block({ ...DINO_V2, registers: 3 }, true),
  'DINOv2 g’s block': block({ ...DINO_V2, ffn: 'swiglu' }, false),
  'DINOv3’s block': block(DINO_V3, true),
  'DINOv3 7B’s block': block({ ...DINO_V3, ffn: 'swiglu', qvBias: false }, false),
  'InternViT’s embedding': embedding(INTERN_VIT),
  'DINOv2’s embedding, of crops that no whole patches fill': embedding({ ...DINO_V2, imageSizePx: 31 }),
  'DINOv2’s embedding with registers': embedding({ ...DINO_V2, registers: 3 }),
  'DINOv3’s embedding': embedding(DINO_V3),
};

interface Fields {
  type: keyof typeof FAMILIES;
  [field: string]: unknown;
}

function block(backbone: Fields, isDropPath: boolean): Case {
  return { kind: 'block', backbone: FAMILIES[backbone.type].schema.parse(backbone), isDropPath };
}

function embedding(backbone: Fields): Case {
  return { kind: 'embedding', backbone: FAMILIES[backbone.type].schema.parse(backbone), isDropPath: false };
}

function specsOf({ kind, backbone }: Case): TensorSpec[] {
  if (kind === 'block') return blockSpecs(backbone);
  return backboneSpecs({ backbone }).filter(({ name }) => layerOf(name) === 0);
}

/** A stage with random inputs: the loss is its output weighted by `dy`. */
function arrange(one: Case) {
  const { kind, backbone, isDropPath } = one;
  const stage: BackboneStage = {
    kind,
    backbone,
    batch: BATCH,
    dtype: 'float32',
    specs: specsOf(one),
    hasDropPath: isDropPath,
  };
  const draws = drawsAt(1, 'block');
  const random = (shape: number[], mean = 0, deviation = 1) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    return tensor(
      Float32Array.from({ length: count }, () => mean + deviation * draws.normal()),
      shape,
    );
  };
  const tokens = tokensShape(stage);
  const side = backbone.imageSizePx;
  const inputs: Record<string, Tensor> =
    kind === 'block' ? { [TOKENS_IN]: random(tokens) } : { [IMAGES]: random([BATCH, side, side, 3]) };
  for (const { name, shape } of stage.specs)
    inputs[name] = shape.length > 1 ? random(shape, 0, 0.3) : random(shape, 0.5, 0.3);
  const differentiated = Object.keys(inputs).filter((name) => name !== IMAGES);
  if (isDropPath)
    Object.assign(inputs, {
      [DROP_PATH.attention]: tensor(Float32Array.of(0, 1.25), [BATCH]),
      [DROP_PATH.mlp]: tensor(Float32Array.of(1.25, 2), [BATCH]),
    });
  return { stage, inputs, differentiated, dy: random(tokens) };
}

function numbers(value: { data: unknown } | undefined): Float32Array {
  return value!.data as Float32Array;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
}

test.for(Object.entries(STAGES))(
  '%s: gradients are the slopes that finite differences show',
  async ([_, one]) => {
    const { stage, inputs, differentiated, dy } = arrange(one);
    const forward = await openSession(forwardGraph(stage), { device: 'cpu', threads: 1 });
    const backward = await openSession(backwardGraph(stage, stage.specs, stage.kind === 'block'), {
      device: 'cpu',
      threads: 1,
    });
    const loss = async (changed: typeof inputs) =>
      dot(numbers((await runSession(forward, changed, 'cpu'))[TOKENS_OUT]), numbers(dy));
    const gradients = await runSession(backward, { ...inputs, [TOKENS_OUT_GRAD]: dy }, 'cpu');

    const draws = drawsAt(2, 'directions');
    for (const name of differentiated) {
      const { data, dims } = inputs[name]!;
      const direction = Float32Array.from(data as Float32Array, () => draws.normal());
      // A key without a bias has zeros in the joint one, which stay zeros.
      const { bias, embedDim } = vitOf(one.backbone);
      if (name.endsWith('.qkv.bias') && !bias.k) direction.fill(0, embedDim, 2 * embedDim);
      const moved = (by: number) => {
        const values = (data as Float32Array).map((value, i) => value + by * direction[i]!);
        return loss({ ...inputs, [name]: tensor(values, dims) });
      };
      // Richardson's extrapolation: the error is of the fourth order in the step.
      const step = 1 / 256;
      const [near, far] = [step, 2 * step].map(async (h) => ((await moved(h)) - (await moved(-h))) / (2 * h));
      const slope = (4 * (await near!) - (await far!)) / 3;
      const gradient = numbers(gradients[name === TOKENS_IN ? TOKENS_IN_GRAD : gradientOutput(name)]);
      const along = dot(gradient, direction);
      const scale = Math.max(1, Math.sqrt(dot(gradient, gradient)));
      expect(Math.abs(along - slope), `${name}: ${along} and ${slope}`).toBeLessThan(2e-3 * scale);
    }
    await Promise.all([forward.release(), backward.release()]);
  },
);

test('an image whose branches are dropped passes through, and moves no parameter', async () => {
  const { stage, inputs, dy } = arrange(STAGES['InternViT-6B’s block with drop path']!);
  for (const name of Object.values(DROP_PATH)) inputs[name] = tensor(new Float32Array(BATCH), [BATCH]);
  const forward = await openSession(forwardGraph(stage), { device: 'cpu', threads: 1 });
  const { [TOKENS_OUT]: y } = await runSession(forward, inputs, 'cpu');
  expect(numbers(y)).toEqual(numbers(inputs[TOKENS_IN]));
  const backward = await openSession(backwardGraph(stage, stage.specs, true), { device: 'cpu', threads: 1 });
  const gradients = await runSession(backward, { ...inputs, [TOKENS_OUT_GRAD]: dy }, 'cpu');
  expect(numbers(gradients[TOKENS_IN_GRAD])).toEqual(numbers(dy));
  for (const { name } of stage.specs)
    expect(Math.max(...numbers(gradients[gradientOutput(name)]).map(Math.abs)), name).toBe(0);
  await Promise.all([forward.release(), backward.release()]);
});

test.for(Object.entries(STAGES))(
  '%s: gradients in float16 are those in float32, rounded',
  async ([_, one]) => {
    const { stage, inputs, dy } = arrange(one);
    const isBlock = stage.kind === 'block';
    const gradientsIn = async (dtype: 'float32' | 'float16') => {
      const model = withFloat32Ends(backwardGraph({ ...stage, dtype }, stage.specs, isBlock));
      const session = await openSession(toBinary(ModelProtoSchema, model), { device: 'cpu', threads: 1 });
      const all: Record<string, Tensor> = { ...inputs, [TOKENS_OUT_GRAD]: dy };
      const named = session.inputNames.map((name) => [name, all[name.replace(FLOAT32_END, '')]!] as const);
      const outputs = await runSession(session, Object.fromEntries(named), 'cpu');
      await session.release();
      return new Map(Object.entries(outputs).map(([name, value]) => [name.replace(FLOAT32_END, ''), value]));
    };
    const [wide, half] = [await gradientsIn('float32'), await gradientsIn('float16')];
    expect([...half.keys()].sort()).toEqual([...wide.keys()].sort());
    for (const [name, gradient] of wide) {
      const [expected, actual] = [numbers(gradient), numbers(half.get(name))];
      const largest = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
      expect(error, `${name}: an error of ${error} beside ${largest}`).toBeLessThan(0.01 * largest);
    }
  },
);
