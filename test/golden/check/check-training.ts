import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { prepareFeatures } from '../../../activities/train/features/prepare-features.ts';
import { ModelTrainer, type TrainingBatch } from '../../../activities/train/trainer.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { type TrainConfig, type TrainingState, TrainSchema } from '../../../core/config/train.ts';
import { gradientOutput } from '../../../core/model/chain/backbone-stages.ts';
import {
  headStageGraph,
  headStageOf,
  LABELS,
  tapInput,
  tapShape,
} from '../../../core/model/chain/head-stage.ts';
import { featureOf, IMAGES } from '../../../core/model/features-graph.ts';
import { headSpecs, parameterSpecs } from '../../../core/model/head.ts';
import { stateSpecs } from '../../../core/train/state-specs.ts';
import { compareNumber, type Row } from './compare.ts';
import type { GoldenFolder, HeadTrainingRun } from './manifest.ts';
import { fromMmcv } from './mmcv-config.ts';
import { npyNumbers, readNpy } from './npy.ts';
import { trainingRows } from './training-rows.ts';

const MmcvTraining = z.looseObject({
  model: z.looseObject({
    backbone: z.looseObject({ drop_path_rate: z.number() }),
    decode_head: z.looseObject({ dropout_ratio: z.number() }),
    auxiliary_head: z.looseObject({ loss_decode: z.looseObject({ loss_weight: z.number() }) }).optional(),
  }),
  optimizer: z.looseObject({
    betas: z.tuple([z.number(), z.number()]),
    weight_decay: z.number(),
    paramwise_cfg: z.looseObject({ layer_decay_rate: z.number() }),
  }),
});

export const Log = z.looseObject({
  steps: z.array(
    z.looseObject({
      lr: z.number(),
      losses: z.record(z.string(), z.number()),
      grad_norm_all: z.number().optional(),
      grad_norm: z.record(z.string(), z.number()).default({}),
    }),
  ),
});

export type TrainingConfig = VitConfig & { train: TrainConfig };

/** Steps of the original on a frozen backbone: losses, gradients, parameters, moments, running statistics. */
export async function checkTraining(golden: GoldenFolder, run: HeadTrainingRun): Promise<Row[]> {
  const config = trainingConfig(golden, run);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-'));
  try {
    const batches = await batchesOf(golden, run, config, folder);
    const rows: Row[] = [];
    const actual = await firstStep(golden, run, config, batches[0]!);
    const { steps } = parseAs(Log, golden.json(run.log), run.log);
    await using trainer = await ModelTrainer.open({
      config,
      threads: 1,
      step: 0,
      learningRate: (step) => run.learning_rates[step]!,
    });
    for await (const tensor of checkpointTensors(golden.path(run.checkpoint), config))
      await trainer.put(tensor);
    for (const [step, batch] of batches.entries()) {
      const log = await trainer.step(batch);
      const figures: Record<string, number> = { ...log.parts, loss: log.loss };
      for (const [name, value] of Object.entries(steps[step]!.losses)) {
        // Of an accuracy, one pixel more or less of a tie; of a loss, a part.
        const tolerance = name.endsWith('acc_seg') ? 0.02 : 1e-4 * Math.abs(value);
        rows.push(compareNumber(`${name} of step ${step}`, figures[name] ?? Number.NaN, value, tolerance));
      }
      await collect(actual, step, trainer.state());
    }
    return [...rows, ...trainingRows(golden, run, actual)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param trainable what of a model the original's run has trained */
export function trainingConfig(
  golden: GoldenFolder,
  run: Pick<HeadTrainingRun, 'config' | 'inputs' | 'batch' | 'crop'>,
  trainable: 'head' | 'all' = 'head',
): TrainingConfig {
  const json = golden.json(run.config);
  const config = fromMmcv(json, {}, run.config);
  const { model, optimizer } = parseAs(MmcvTraining, json, run.config);
  const train = TrainSchema.parse({
    steps: run.inputs.length,
    batch: run.batch,
    trainable,
    dropPathRate: trainable === 'all' ? model.backbone.drop_path_rate : 0,
    optimizer: {
      type: 'adamw',
      lr: 1,
      betas: optimizer.betas,
      weightDecay: optimizer.weight_decay,
      layerDecayRate: optimizer.paramwise_cfg.layer_decay_rate,
    },
    schedule: { type: 'poly', warmup: { steps: 0, ratio: 1 } },
    auxiliaryLossWeight: model.auxiliary_head?.loss_decode.loss_weight,
    dropout: model.decode_head.dropout_ratio,
    data: {},
    augmentation: { longPx: 4 * run.crop, shortPx: run.crop },
    checkpointEvery: 1,
    evaluateEvery: 1,
  });
  return { ...config, train, run: { ...config.run, device: golden.device, batch: run.batch } };
}

/** Features by the backbone that a worker runs, with the labels beside them. */
async function batchesOf(golden: GoldenFolder, run: HeadTrainingRun, config: TrainingConfig, folder: string) {
  const file = golden.path(run.checkpoint);
  const { modelFile, dataFolder } = await prepareFeatures(folder, [{ name: run.checkpoint, file }], config);
  const session = await openSession(modelFile, { device: golden.device, threads: 1, dataFolder });
  const batches = [];
  for (const { input, label } of run.inputs) {
    const { data, shape } = readNpy(golden.path(input));
    const images = channelsLast(data as Float32Array, shape);
    const size = run.crop;
    const feeds = { [IMAGES]: tensor(images, [run.batch, size, size, 3]) };
    const outputs = await runSession(session, feeds, golden.device);
    batches.push({
      features: config.model.backbone.taps.map((_, tap) =>
        Float32Array.from(outputs[featureOf(tap)]!.data as Float32Array),
      ),
      labels: Uint8Array.from(npyNumbers(readNpy(golden.path(label)))),
    });
  }
  await session.release();
  return batches;
}

/** `[B, 3, H, W]` to `[B, H, W, 3]` */
export function channelsLast(
  data: Float32Array,
  [batch, , height, width]: number[],
): Float32Array<ArrayBuffer> {
  const pixels = height! * width!;
  const out = new Float32Array(data.length);
  for (let b = 0; b < batch!; b++)
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < pixels; i++) out[(b * pixels + i) * 3 + c] = data[(b * 3 + c) * pixels + i]!;
  return out;
}

/** What only the graph shows: the heads' inputs and the gradients, by the golden file's path. */
async function firstStep(
  golden: GoldenFolder,
  run: HeadTrainingRun,
  config: TrainingConfig,
  { features, labels }: TrainingBatch,
): Promise<Map<string, ArrayLike<number>>> {
  const stages = features.map((_, level) => `feat${level}`);
  const options = { device: golden.device, threads: 1 };
  const stage = headStageOf({ ...config, run: { ...config.run, device: golden.device } });
  const session = await openSession(headStageGraph({ ...stage, stages }), options);
  const feeds: Record<string, ReturnType<typeof tensor>> = {
    [LABELS]: tensor(labels, [run.batch, run.crop, run.crop]),
  };
  for (const [tap, data] of features.entries()) feeds[tapInput(tap)] = tensor(data, tapShape(stage));
  for await (const { name, data } of checkpointTensors(golden.path(run.checkpoint), config))
    feeds[name] = tensor(data, headSpecs(config.model).find((spec) => spec.name === name)!.shape);
  const outputs = await runSession(session, feeds, golden.device);
  await session.release();
  const found = new Map<string, ArrayLike<number>>();
  for (const stage of stages) found.set(`${stage}.npy`, outputs[stage]!.data as Float32Array);
  for (const { name } of parameterSpecs(config.model))
    found.set(`grad0/${name}.npy`, outputs[gradientOutput(name)]!.data as Float32Array);
  return found;
}

async function collect(
  into: Map<string, ArrayLike<number>>,
  step: number,
  { specs, read }: TrainingState,
): Promise<void> {
  for (const { name, isTrained } of specs) {
    into.set(`${isTrained ? `param${step}` : `running/${step}`}/${name}.npy`, await read(name, 'value'));
    if (!isTrained) continue;
    into.set(`moments${step}/${name}.exp_avg.npy`, await read(name, 'first'));
    into.set(`moments${step}/${name}.exp_avg_sq.npy`, await read(name, 'second'));
  }
}

/** A state's tensors out of a checkpoint of the original's. */
export async function* checkpointTensors(
  file: string,
  config: TrainingConfig,
): AsyncGenerator<{ name: string; data: Float32Array<ArrayBuffer> }> {
  const bytes = readFileSync(file);
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const torch = await openCheckpoint(file, bytes.length, read);
  for (const { name } of stateSpecs(config)) {
    const stored = torch.tensors.get(name)!;
    yield { name, data: Float32Array.from(toFloat32(await readTensor(torch, stored, read), stored.dtype)) };
  }
}
