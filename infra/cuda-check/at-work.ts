import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Inference } from '../../activities/evaluate/inference.ts';
import { openOwnModel } from '../../activities/onnx/own-model.ts';
import type { CheckpointOnDisk } from '../../activities/onnx/write-model.ts';
import { BackboneExtractor } from '../../activities/train/features/extractor.ts';
import { prepareFeatures } from '../../activities/train/features/prepare-features.ts';
import { ModelTrainer } from '../../activities/train/trainer.ts';
import { elementCount } from '../../core/checkpoint/dtypes.ts';
import type { Config } from '../../core/config/config.ts';
import type { VitConfig, VitModel } from '../../core/config/model-kinds.ts';
import { OnnxModelSchema } from '../../core/config/onnx-model.ts';
import type { TrainableConfig } from '../../core/config/train-run.ts';
import { makeViews } from '../../core/image/views.ts';
import { planChain } from '../../core/model/chain/chain-plan.ts';
import { planOwnModel } from '../../core/model/own-onnx.ts';
import { GraphBuilder } from '../../core/onnx/graph.ts';
import { readOnnxModel } from '../../core/onnx/read-model.ts';
import { initialHead } from '../../core/train/initial-head.ts';
import { backboneState, headState, writeState } from '../../test/smoke/random-checkpoint.ts';

/* The product's own threads at work on random weights, so that each graph is opened, and run twice, as a worker does. */

/** Of a random backbone and head, in a folder. */
export async function writeCheckpoints(folder: string, model: VitModel): Promise<CheckpointOnDisk[]> {
  mkdirSync(folder, { recursive: true });
  const states = { backbone: backboneState(model), head: headState(model) };
  const files = Object.entries(states).map(async ([name, state]) => {
    const file = path.join(folder, `${name}.pth`);
    await writeState(file, state);
    return { name, file };
  });
  return Promise.all(files);
}

/** Evaluates two images of unlike sizes, each of several windows. @returns how many labels each has */
export async function evaluateImages(modelFile: string, config: VitConfig): Promise<number[]> {
  await using inference = await Inference.open({ modelFile, config });
  const labels = [
    { width: 90, height: 70 },
    { width: 64, height: 80 },
  ].map((size, i) => {
    const image = { ...size, data: new Uint8Array(size.width * size.height * 3).fill(100 + i) };
    return inference.segment(String(i), makeViews(image, config.pipeline), size);
  });
  inference.flush();
  return (await Promise.all(labels)).map(({ length }) => length);
}

/** Brings features of two groups. @returns how many taps each had */
export async function extractFeatures(
  folder: string,
  checkpoints: CheckpointOnDisk[],
  config: TrainableConfig,
): Promise<number[]> {
  const { modelFile } = await prepareFeatures(folder, checkpoints, config);
  await using extractor = await BackboneExtractor.open({ modelFile, config });
  const side = config.model.backbone.imageSizePx;
  const taps = [];
  for (let group = 0; group < 2; group++) {
    const features = await extractor.extract(new Float32Array(config.run.batch * side ** 2 * 3));
    taps.push(features.length);
  }
  return taps;
}

/** Trains for two steps what the config trains; a backbone begins as zeros. @returns the last one's number */
export async function trainSteps(config: TrainableConfig): Promise<number> {
  const { batch } = config.train;
  const { imageSizePx } = config.model.backbone;
  const { inputs } = planChain(config);
  await using trainer = await ModelTrainer.open({ config, step: 0, threads: 1 });
  for (const [name, data] of initialHead(config, 1)) await trainer.put({ name, data });
  for (let step = 1; step <= 2; step++) {
    const features = inputs.map(({ shape }) => new Float32Array(batch * elementCount(shape)));
    await trainer.step({ features, labels: new Uint8Array(batch * imageSizePx ** 2) });
  }
  return trainer.state().step;
}

/** Runs an ONNX file of two classes, in half precision, between our two graphs. @returns logits of each of two batches */
export async function segmentWithOwnModel(folder: string): Promise<number[]> {
  const side = 16;
  const classes = 2;
  const batch = 2;
  const graph = new GraphBuilder('mine');
  const image = graph.input('image', 'float16', [batch, 3, side, side]);
  const ones = new Uint16Array(classes * 3).fill(0x3c00);
  const kernel = graph.constant('kernel', 'float16', [classes, 3, 1, 1], ones);
  const mixed = graph.node('Conv', [image, kernel], { kernel_shape: [1, 1] });
  // A kernel of ONNX Runtime's own: the convolution is cuDNN's.
  const logits = graph.node('Mul', [mixed, mixed], {}, 'logits');
  graph.output(logits, 'float16', [batch, classes, side, side]);
  const file = path.join(folder, 'mine.onnx');
  writeFileSync(file, graph.toBytes());
  const section = OnnxModelSchema.parse({ type: 'onnx', input: { sizePx: side }, classes });
  const pipeline = { mean: [1, 2, 3], std: [1, 2, 3], normalization: 'opencv' } as Config['pipeline'];
  const plan = planOwnModel(readOnnxModel(graph.toBytes(), file), section, pipeline, file);
  const run = { batch, device: 'cuda', threads: 1 } as Config['run'];
  await using own = await openOwnModel(file, plan, { pipeline, run }, file);
  const sizes = [];
  for (let i = 0; i < 2; i++) sizes.push((await own.segment(new Uint8Array(batch * side ** 2 * 3))).length);
  return sizes;
}
