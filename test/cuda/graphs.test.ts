import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, expect, test } from 'vitest';
import { prepareModel } from '../../activities/evaluate/prepare-model.ts';
import type { CheckpointOnDisk } from '../../activities/onnx/write-model.ts';
import { PRECISIONS, type Precision } from '../../core/config/config.ts';
import type { VitConfig, VitModel } from '../../core/config/model-kinds.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { evaluatedModel } from '../../core/model/head.ts';
import { ModelProtoSchema } from '../../core/onnx/onnx_pb.ts';
import {
  evaluateImages,
  extractFeatures,
  segmentWithOwnModel,
  trainSteps,
  writeCheckpoints,
} from '../../infra/cuda-check/at-work.ts';
import { cudaConfigs } from '../../infra/cuda-check/models.ts';
import { nodesWithoutKernel } from '../../infra/cuda-check/placement.ts';
import {
  copies,
  readTrace,
  type TracedRun,
  type TracedSession,
  traceEnd,
} from '../../infra/cuda-check/trace.ts';
import { makeFolder } from '../infra/observe.ts';

/** Shapes that a Reshape reads lie where they are read, on the host. */
const SHAPE_BYTES = 64;

interface Checkpoints {
  folder: string;
  files: CheckpointOnDisk[];
}

const FLASH = /flash_fwd_(splitkv_)?kernel/;
/** The kernel that each Attention is; of float32 there is no flash attention, but one that needs as little memory. */
const ATTENTION: Record<Precision, RegExp> = {
  bfloat16: FLASH,
  float16: FLASH,
  float32: /fmha|AttentionKernel/i,
};

const ROOT = path.resolve(import.meta.dirname, '../..');
const opened: TracedSession[] = [];
const written = new Map<string, Promise<Checkpoints>>();
afterAll(async () => {
  for (const made of written.values()) rmSync((await made).folder, { recursive: true, force: true });
});
const models = await Promise.all(PRECISIONS.map(cudaConfigs));
const cases = models.flat().map(([name, config]) => [name, config.run.precision, config] as const);
const inBfloat16 = cases.filter(([, precision]) => precision === 'bfloat16');

test.for(cases)('%s in %s evaluates, and brings features, on CUDA alone', async ([, precision, config]) => {
  const model = evaluatedModel(config.model);
  const { folder, files } = await randomCheckpoints(model);
  await whole(precision, async () => {
    const { modelFile } = await prepareModel(folder, files, { ...config, model });
    await evaluate(modelFile, { ...config, model });
  });
  const { train } = config;
  // Where every parameter trains, no stretch is frozen, and nobody brings features.
  if (train?.trainable === 'head')
    await whole(precision, () => extract(folder, files.slice(0, 1), { ...config, train }));
});

test.for(inBfloat16)('%s in %s is evaluated with test-time augmentation on CUDA alone', async (one) => {
  const [, precision, config] = one;
  const model = evaluatedModel(config.model);
  const { folder, files } = await randomCheckpoints(model);
  const pipeline = { ...config.pipeline, augmentation: { ratios: [1, 1.25], flip: true } };
  await whole(precision, async () => {
    const { modelFile } = await prepareModel(folder, files, { ...config, model });
    await evaluate(modelFile, { ...config, model, pipeline });
  });
});

test.for(inBfloat16.filter(([, , config]) => config.train))(
  '%s in %s trains what its config says on CUDA alone',
  async ([, precision, config]) => {
    await whole(precision, () => trainModel(config as TrainableConfig));
  },
);

test.for(inBfloat16.filter(([name]) => name.startsWith('tiny')))(
  '%s in %s trains every parameter on CUDA alone',
  async ([, precision, config]) => {
    const train = { ...config.train!, trainable: 'all' as const };
    await whole(precision, () => trainModel({ ...config, train }));
  },
);

test('an ONNX model of one’s own runs on CUDA, between graphs of ours', async () => {
  await whole('float16', async () => {
    expect(await segmentWithOwnModel(makeFolder())).toEqual([1024, 1024]);
  });
});

test('every file that opens a session has been at work here', () => {
  const files = readdirSync(path.join(ROOT, 'activities'), { recursive: true, encoding: 'utf8' })
    .map((file) => path.join('activities', file))
    .filter((file) => file.endsWith('.ts') && !/onnx\/(c-api\/)?session\.ts$/.test(file))
    .filter((file) => /\b(openSession|Session\.open)\(/.test(readFileSync(path.join(ROOT, file), 'utf8')));
  expect(files.length).toBeGreaterThan(0);
  expect([...new Set(opened.map(({ caller }) => caller))].sort()).toEqual(files.sort());
});

/** Written once for each model. */
async function randomCheckpoints(model: VitModel): Promise<Checkpoints> {
  const key = JSON.stringify(model);
  const folder = makeFolder();
  const made = written.get(key) ?? writeCheckpoints(folder, model).then((files) => ({ folder, files }));
  written.set(key, made);
  return made;
}

async function evaluate(modelFile: string, config: VitConfig): Promise<void> {
  expect(await evaluateImages(modelFile, config)).toEqual([90 * 70, 64 * 80]);
}

async function extract(folder: string, files: CheckpointOnDisk[], config: TrainableConfig): Promise<void> {
  const taps = config.model.backbone.taps.length;
  expect(await extractFeatures(folder, files, config)).toEqual([taps, taps]);
}

async function trainModel(config: TrainableConfig): Promise<void> {
  expect(await trainSteps(config)).toBe(2);
}

/** Does some work of the product, and checks every session that it opened on CUDA. */
async function whole(precision: Precision, work: () => Promise<void>): Promise<void> {
  const before = traceEnd();
  const failure = await work().catch((error: Error) => error);
  const sessions = readTrace(before);
  for (const { failure, model, data } of sessions)
    if (failure)
      throw new Error(`no CUDA kernel for ${(await nodesWithoutKernel(model, data)).join('; ')}\n${failure}`);
  if (failure) throw failure;
  expect(sessions.length).toBeGreaterThan(0);
  // Where a graph is opened but not needed, as of sums over groups in a batch of one, its opening shows the placement.
  const atWork = sessions.filter(({ runs }) => runs.length > 0);
  for (const session of atWork) checkRun(precision, session);
  opened.push(...atWork);
}

function checkRun(precision: Precision, { caller, model, runs }: TracedSession): void {
  expect(runs.length, `${caller}: runs`).toBeGreaterThan(1);
  const run = runs.at(-1)!;
  const bytes = (sizes: TracedRun['inputs']) => Object.values(sizes).sort((a, b) => a - b);
  const onDevice = bytes(run.inputs).filter((size) => size > SHAPE_BYTES);
  const sorted = (sizes: number[]) => sizes.sort((a, b) => a - b);
  expect(sorted(copies(run, 'pageable', 'device')), `${caller}: copies to the device, inputs`).toEqual(
    onDevice,
  );
  expect(sorted(copies(run, 'device', 'pageable')), `${caller}: copies back, outputs`).toEqual(
    bytes(run.outputs),
  );
  expect(copies(run, 'device', 'pinned'), `${caller}: values that pass through the host`).toEqual([]);
  const kernels = run.calls.filter(([kind]) => kind === 'L').map(([, kernel]) => kernel!);
  expect(kernels.length, `${caller}: kernels`).toBeGreaterThan(0);
  const { graph } = fromBinary(ModelProtoSchema, readFileSync(model));
  const nodes = graph!.node.filter(({ opType }) => opType === 'Attention').length;
  const attention = kernels.filter((kernel) => ATTENTION[precision].test(kernel)).length;
  expect(attention, `${caller}: ${ATTENTION[precision]}, one an Attention`).toBe(nodes);
  // A hidden layer's bias and Gelu are one kernel, and no product of their own. UperNet's pyramid has another Gelu.
  // A backward pass needs the value before the Gelu as well, so there the two stay apart.
  const usesOf = (value: string) => graph!.node.filter(({ input }) => input.includes(value)).length;
  const gelus = graph!.node.filter(
    ({ opType, input: [value] }) => opType === 'Gelu' && /^b\d+_fc1$/.test(value!) && usesOf(value!) === 1,
  );
  const fused = kernels.filter((kernel) => /BiasGelu/.test(kernel)).length;
  expect(fused, `${caller}: bias and Gelu as one kernel`).toBe(gelus.length);
}
