import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import type { Tensor } from '../../activities/onnx/runtime.ts';
import { openSession, runSession, tensor } from '../../activities/onnx/session.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import { PRECISIONS } from '../../core/config/config.ts';
import { backboneSpecs, layerOf } from '../../core/model/backbone.ts';
import { backwardGraph, blockSpecs, forwardGraph } from '../../core/model/chain/backbone-stages.ts';
import { FAMILIES } from '../../core/model/families/all.ts';
import { ModelProtoSchema, type TypeProto } from '../../core/onnx/onnx_pb.ts';
import { nodesWithoutKernel } from '../../infra/cuda-check/placement.ts';
import { copies, readTrace, traceEnd } from '../../infra/cuda-check/trace.ts';
import { withFloat32Ends } from '../infra/float32-ends.ts';
import { temporaryFolder } from '../infra/observe.ts';

const BLOCK = { depth: 1, taps: [0] };
const INTERN_VIT = { type: 'InternViT', pretrainSizePx: 224, imageSizePx: 504, patchSizePx: 14, mlpRatio: 2 };
const DINO_V2 = {
  type: 'DINOv2',
  pretrainSizePx: 518,
  imageSizePx: 518,
  patchSizePx: 14,
  hiddenChannels: 512,
};
const DINO_V3 = { type: 'DINOv3', imageSizePx: 512, patchSizePx: 16, hiddenChannels: 512 };

/** Few channels, but as many a head as the model has; as many tokens as it has. */
const BACKBONES = {
  'InternViT-6B': { ...INTERN_VIT, ...BLOCK, embedDim: 256, heads: 2 },
  'InternViT-300M': {
    ...INTERN_VIT,
    ...BLOCK,
    embedDim: 128,
    heads: 2,
    norm: 'layer',
    qkNormalization: false,
    qkvBias: true,
  },
  'DINOv2 g': { ...DINO_V2, ...BLOCK, embedDim: 128, heads: 2, ffn: 'swiglu', registers: 4 },
  'DINOv3 7B': { ...DINO_V3, ...BLOCK, embedDim: 256, heads: 2, ffn: 'swiglu' },
};
const cases = Object.entries(BACKBONES).flatMap(([name, backbone]) =>
  (['block', 'embedding'] as const).flatMap((kind) =>
    PRECISIONS.map((precision) => [kind, name, precision, backbone] as const),
  ),
);

test.for(cases)('the %s of %s in %s trains on CUDA alone', async ([kind, , precision, backbone]) => {
  const { schema } = FAMILIES[backbone.type as keyof typeof FAMILIES];
  const parsed = schema.parse(backbone);
  const isBlock = kind === 'block';
  const specs = isBlock
    ? blockSpecs(parsed)
    : backboneSpecs({ backbone: parsed }).filter(({ name }) => layerOf(name) === 0);
  const stage = { kind, backbone: parsed, batch: 2, dtype: precision, specs, hasDropPath: isBlock };
  const graphs = { forward: forwardGraph(stage), backward: backwardGraph(stage, specs, isBlock) };
  for (const [name, graph] of Object.entries(graphs)) {
    const file = path.join(temporaryFolder(), `${name}.onnx`);
    const model = withFloat32Ends(graph);
    writeFileSync(file, toBinary(ModelProtoSchema, model));
    const before = traceEnd();
    const session = await openSession(file, { device: 'cuda', threads: 1 }).catch(async (error: Error) => {
      const nodes = (await nodesWithoutKernel(file)).join('; ');
      throw new Error(`${name}: no CUDA kernel for ${nodes}`, { cause: error });
    });
    const inputs = model.graph!.input.map(({ name, type }): [string, Tensor] => {
      const dims = dimsOf(type);
      return [name, tensor(new Float32Array(elementCount(dims)), dims)];
    });
    await runSession(session, Object.fromEntries(inputs), 'cuda');
    await session.release();
    const [run] = readTrace(before).at(-1)!.runs;
    expect(copies(run!, 'device', 'pinned'), 'values that pass through the host').toEqual([]);
    expect(copies(run!, 'device', 'pageable').length, 'copies back').toBe(model.graph!.output.length);
  }
});

function dimsOf(type: TypeProto | undefined): number[] {
  if (type?.value.case !== 'tensorType') throw new Error('an input is no tensor');
  return type.value.value.shape!.dim.map(({ value }) => Number(value.value));
}
