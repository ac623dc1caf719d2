import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { prepareFeatures } from '../../../activities/train/features/prepare-features.ts';
import { HeadTrainer } from '../../../activities/train/head-trainer.ts';
import { openCheckpoint } from '../../../core/checkpoint/open-checkpoint.ts';
import { readTensor, toFloat32 } from '../../../core/checkpoint/tensor-data.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import { parseAs } from '../../../core/config/parse.ts';
import { type HeadState, type TrainConfig, TrainSchema } from '../../../core/config/train.ts';
import { gridSide } from '../../../core/model/backbone.ts';
import { featureOf, IMAGES } from '../../../core/model/features-graph.ts';
import { headSpecs, parameterSpecs } from '../../../core/model/head.ts';
import { gradientOutput, LABELS, tapInput, trainingGraph } from '../../../core/model/training-graph.ts';
import { headAtStart } from '../../../core/train/initial-head.ts';
import { compareNumber, type Row } from './compare.ts';
import type { GoldenFolder, HeadTrainingRun } from './manifest.ts';
import { fromMmcv } from './mmcv-config.ts';
import { npyNumbers, readNpy } from './npy.ts';
import { trainingRows } from './training-rows.ts';

const MmcvTraining = z.looseObject({
  model: z.looseObject({
    decode_head: z.looseObject({ dropout_ratio: z.number() }),
    auxiliary_head: z.looseObject({ loss_decode: z.looseObject({ loss_weight: z.number() }) }).optional(),
  }),
  optimizer: z.looseObject({
    betas: z.tuple([z.number(), z.number()]),
    weight_decay: z.number(),
    paramwise_cfg: z.looseObject({ layer_decay_rate: z.number() }),
  }),
});

const Log = z.looseObject({
  steps: z.array(z.looseObject({ lr: z.number(), losses: z.record(z.string(), z.number()) })),
});

type TrainingConfig = VitConfig & { train: TrainConfig };

/** Steps of the original on a frozen backbone: losses, gradients, parameters, moments, running statistics. */
export async function checkTraining(golden: GoldenFolder, run: HeadTrainingRun): Promise<Row[]> {
  const config = trainingConfig(golden, run);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tessera-golden-'));
  try {
    const batches = await batchesOf(golden, run, config, folder);
    const rows: Row[] = [];
    const actual = await firstStep(golden, run, config, batches[0]!);
    const { steps } = parseAs(Log, golden.json(run.log), run.log);
    const state = await initialState(golden.path(run.checkpoint), config);
    await using trainer = await HeadTrainer.open({
      config,
      threads: 1,
      state,
      learningRate: (step) => run.learning_rates[step]!,
    });
    for (const [step, batch] of batches.entries()) {
      const log = await trainer.step(batch);
      const figures: Record<string, number> = { ...log.parts, loss: log.loss };
      for (const [name, value] of Object.entries(steps[step]!.losses)) {
        // Of an accuracy, one pixel more or less of a tie; of a loss, a part.
        const tolerance = name.endsWith('acc_seg') ? 0.02 : 1e-4 * Math.abs(value);
        rows.push(compareNumber(`${name} of step ${step}`, figures[name] ?? Number.NaN, value, tolerance));
      }
      collect(actual, step, trainer.state());
    }
    return [...rows, ...trainingRows(golden, run, actual)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function trainingConfig(golden: GoldenFolder, run: HeadTrainingRun): TrainingConfig {
  const json = golden.json(run.config);
  const config = fromMmcv(json, {}, run.config);
  const { model, optimizer } = parseAs(MmcvTraining, json, run.config);
  const train = TrainSchema.parse({
    steps: run.inputs.length,
    batch: run.batch,
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
function channelsLast(data: Float32Array, [batch, , height, width]: number[]): Float32Array {
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
  { features, labels }: { features: Float32Array[]; labels: Uint8Array },
): Promise<Map<string, ArrayLike<number>>> {
  const { model, train } = config;
  const stages = features.map((_, level) => `feat${level}`);
  const options = { device: golden.device, threads: 1 };
  const session = await openSession(trainingGraph({ model, train, run: options }, stages), options);
  const state = await initialState(golden.path(run.checkpoint), config);
  const grid = gridSide({ ...model.backbone, imageSizePx: run.crop });
  const outputs = await runSession(
    session,
    {
      [LABELS]: tensor(labels, [run.batch, run.crop, run.crop]),
      ...Object.fromEntries(
        features.map((data, tap) => [
          tapInput(tap),
          tensor(data, [run.batch, model.backbone.embedDim, grid, grid]),
        ]),
      ),
      ...Object.fromEntries([...state.tensors].map(([name, { data, shape }]) => [name, tensor(data, shape)])),
    },
    golden.device,
  );
  await session.release();
  const found = new Map<string, ArrayLike<number>>();
  for (const stage of stages) found.set(`${stage}.npy`, outputs[stage]!.data as Float32Array);
  for (const { name } of parameterSpecs(model))
    found.set(`grad0/${name}.npy`, outputs[gradientOutput(name)]!.data as Float32Array);
  return found;
}

function collect(into: Map<string, ArrayLike<number>>, step: number, { tensors, moments }: HeadState): void {
  for (const [name, { data }] of tensors) {
    const folder = moments.has(name) ? `param${step}` : `running/${step}`;
    into.set(`${folder}/${name}.npy`, data.slice());
  }
  for (const [name, { first, second }] of moments) {
    into.set(`moments${step}/${name}.exp_avg.npy`, first.slice());
    into.set(`moments${step}/${name}.exp_avg_sq.npy`, second.slice());
  }
}

async function initialState(file: string, { model }: TrainingConfig): Promise<HeadState> {
  const bytes = readFileSync(file);
  const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
  const torch = await openCheckpoint(file, bytes.length, read);
  const tensors: HeadState['tensors'] = new Map();
  for (const { name, shape } of headSpecs(model)) {
    const stored = torch.tensors.get(name)!;
    const data = Float32Array.from(toFloat32(await readTensor(torch, stored, read), stored.dtype));
    tensors.set(name, { shape, data });
  }
  return headAtStart(tensors);
}
