import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ImageLogits, SlideSegmenter } from '../../../activities/evaluate/slide-segmenter.ts';
import { Stitcher } from '../../../activities/evaluate/stitcher.ts';
import { openOwnModel } from '../../../activities/onnx/own-model.ts';
import { BadData } from '../../../core/config/failures.ts';
import type { DType } from '../../../core/config/manifests.ts';
import { OnnxModelSchema } from '../../../core/config/onnx-model.ts';
import type { CropShape } from '../../../core/model/crop-shape.ts';
import { planOwnModel } from '../../../core/model/own-onnx.ts';
import { checkExternalFiles, checkOnnxModel } from '../../../core/onnx/check-model.ts';
import { GraphBuilder } from '../../../core/onnx/graph.ts';
import { readOnnxModel } from '../../../core/onnx/read-model.ts';
import { createRandom, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const SIDE = 4;
const CLASSES = 2;
const MEAN = [10, 20, 30] as const;
const STD = [2, 4, 8] as const;
/** Of a 1×1 convolution, `[classes, RGB]`. */
const WEIGHT = [
  [1, -2, 3],
  [0.5, 4, -1],
];

interface Options {
  sizePx?: number;
  layout?: string;
  channels?: string;
  output?: Record<string, unknown>;
  classes?: number;
  batch?: number;
  mean?: number[];
  std?: number[];
}

/** Plans and opens a model file as a worker would. */
async function opened(file: string, { output, classes = CLASSES, batch = 3, mean, std, ...input }: Options) {
  const model = readOnnxModel(readFileSync(file), 'my.onnx');
  checkOnnxModel(model, 'my.onnx');
  const sizes = model.externalFiles.map(({ location }): [string, number] => [
    location,
    readFileSync(join(file, '..', location)).length,
  ]);
  checkExternalFiles(model, new Map(sizes), 'my.onnx');
  const config = OnnxModelSchema.parse({
    type: 'onnx',
    input: { sizePx: SIDE, ...input },
    ...(output ? { output } : {}),
    classes,
  });
  const tiny = tinyConfig(`run.batch=${batch}`);
  const pipeline = { ...tiny.pipeline, mean: triple(mean ?? MEAN), std: triple(std ?? STD) };
  const plan = planOwnModel(model, config, pipeline, 'my.onnx');
  const own = await openOwnModel(file, plan, { pipeline, run: tiny.run }, 'my.onnx');
  onTestFinished(() => own[Symbol.asyncDispose]());
  return own;
}

function triple([red, green, blue]: readonly number[]): [number, number, number] {
  return [red!, green!, blue!];
}

interface Shape {
  batch?: number | string;
  dtype?: DType;
  isChannelsLast?: boolean;
  isBgr?: boolean;
  /** Where the weights lie; in the file itself, if absent. */
  external?: string;
  /** What the file says of its logits' sides. */
  said?: number | string;
}

/** A 1×1 convolution of an image, in the forms that exporters give it. */
function convolution({ batch = 'batch', dtype = 'float32', ...shape }: Shape): string {
  const { isChannelsLast = false, isBgr = false, external, said = SIDE } = shape;
  const folder = temporaryFolder();
  const graph = new GraphBuilder('model');
  const placed = (channels: number, side: number | string) =>
    isChannelsLast ? [batch, side, side, channels] : [batch, channels, side, side];
  const image = graph.cast(graph.input('image', dtype, placed(3, SIDE)), 'float32');
  const first = isChannelsLast ? graph.transpose(image, [0, 3, 1, 2]) : image;
  const weight = Float32Array.from(WEIGHT.flatMap((row) => (isBgr ? row.toReversed() : row)));
  if (external)
    writeFileSync(join(folder, external), Buffer.concat([Buffer.alloc(16), Buffer.from(weight.buffer)]));
  const place = { location: external ?? '', offset: 16, length: 24 };
  const value = external
    ? graph.external('weight', 'float32', [CLASSES, 3, 1, 1], place)
    : graph.constant('weight', 'float32', [CLASSES, 3, 1, 1], weight);
  const logits = graph.node('Conv', [first, value], { kernel_shape: [1, 1] });
  const last = isChannelsLast ? graph.transpose(logits, [0, 2, 3, 1]) : logits;
  const given = dtype === 'uint8' ? 'float32' : dtype;
  graph.output(graph.cast(last, given, 'logits'), given, placed(CLASSES, said));
  const file = join(folder, 'model.onnx');
  writeFileSync(file, graph.toBytes());
  return file;
}

function randomCrops(batch: number): Uint8Array {
  const random = createRandom(3);
  return Uint8Array.from({ length: batch * SIDE * SIDE * 3 }, () => 256 * random());
}

/** By the definition: `[B, K, h, w]`. */
function expectedLogits(crops: Uint8Array, mean: readonly number[] = MEAN, std: readonly number[] = STD) {
  const pixels = SIDE * SIDE;
  return Float32Array.from({ length: (crops.length / 3) * CLASSES }, (_, i) => {
    const [image, label, pixel] = [
      Math.floor(i / (pixels * CLASSES)),
      Math.floor(i / pixels) % CLASSES,
      i % pixels,
    ];
    const rgb = crops.subarray(3 * (image * pixels + pixel));
    return WEIGHT[label]!.reduce((sum, w, c) => sum + (w * (rgb[c]! - mean[c]!)) / std[c]!, 0);
  });
}

/** By the largest number there is. */
function largestError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}

describe('a model of one’s own gives the logits of its crops', () => {
  test.each<[string, Shape, Options, number]>([
    ['any batch, NCHW', {}, {}, 1e-6],
    ['one crop at a time', { batch: 1 }, {}, 1e-6],
    ['two at a time, of three', { batch: 2 }, {}, 1e-6],
    ['BGR', { isBgr: true }, { channels: 'BGR' }, 1e-6],
    ['channels last', { isChannelsLast: true }, { layout: 'NHWC', output: { layout: 'NHWC' } }, 1e-6],
    ['half precision', { dtype: 'float16', batch: 1 }, {}, 2e-3],
    ['weights in a file beside it', { external: 'weights.data' }, {}, 1e-6],
    ['a size of logits that the config says', { said: 'side' }, { output: { sizePx: SIDE } }, 1e-6],
  ])('%s', async (_, shape, options, tolerance) => {
    const own = await opened(convolution(shape), options);
    const crops = randomCrops(3);
    expect(largestError(await own.segment(crops), expectedLogits(crops))).toBeLessThan(tolerance);
    // And again, other ones.
    const others = crops.map((value) => 255 - value);
    expect(largestError(await own.segment(others), expectedLogits(others))).toBeLessThan(tolerance);
  });

  test('bytes, which it normalises by itself', async () => {
    const own = await opened(convolution({ dtype: 'uint8' }), { mean: [0, 0, 0], std: [1, 1, 1] });
    const crops = randomCrops(3);
    const expected = expectedLogits(crops, [0, 0, 0], [1, 1, 1]);
    expect(largestError(await own.segment(crops), expected)).toBeLessThan(1e-6);
  });

  test('or is refused: its logits are not of the size that the config says', async () => {
    const own = await opened(convolution({ said: 'side' }), { output: { sizePx: 2 } });
    await expect(own.segment(randomCrops(3))).rejects.toThrow(BadData);
    await expect(own.segment(randomCrops(3))).rejects.toThrow(
      'my.onnx: gives logits [3, 2, 4, 4] for 3 crops of 4×4 px; expected [3, 2, 2, 2]',
    );
  });
});

const python = process.env.TESSERA_PYTHON;

test('models that torch exported give what torch gives', { timeout: 120_000 }, async ({ skip }) => {
  skip(!python, 'TESSERA_PYTHON names no python with torch');
  try {
    execFileSync(python!, ['-c', 'import torch, torchvision'], { stdio: 'ignore' });
  } catch {
    skip('the python of TESSERA_PYTHON has no torchvision');
  }
  const folder = temporaryFolder();
  const script = join(import.meta.dirname, 'export_models.py');
  execFileSync(python!, [script, folder], { stdio: 'pipe' });
  const crops = new Uint8Array(readFileSync(join(folder, 'crops.bin')));
  const imagenet = { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };
  const common = { sizePx: 64, classes: 7, batch: 2, ...imagenet };
  const models: [string, Options][] = [
    ['lraspp', common],
    ['deeplab', common],
    ['low', { ...common, output: { name: 'out' } }],
  ];
  for (const [name, options] of models) {
    const own = await opened(join(folder, `${name}.onnx`), options);
    const expected = new Float32Array(new Uint8Array(readFileSync(join(folder, `${name}.logits`))).buffer);
    expect(largestError(await own.segment(crops), expected), name).toBeLessThan(1e-4);
    expect(new Set(expected).size, name).toBeGreaterThan(100);
  }
  // Its channels are last, so are torch's own logits.
  const bytes = await opened(join(folder, 'bytes.onnx'), {
    ...common,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    layout: 'NHWC',
    channels: 'BGR',
    output: { layout: 'NHWC' },
  });
  const expected = new Float32Array(new Uint8Array(readFileSync(join(folder, 'bytes.logits'))).buffer);
  const logits = await bytes.segment(crops);
  const pixels = 64 * 64;
  const last = expected.map((_, i) => {
    const [image, pixel, label] = [Math.floor(i / (7 * pixels)), Math.floor(i / 7) % pixels, i % 7];
    return logits[(image * 7 + label) * pixels + pixel]!;
  });
  expect(largestError(last, expected)).toBeLessThan(1e-5);

  // And of an image larger than its crops, low-resolution logits of windows that overlap: the whole way.
  const low = await opened(join(folder, 'low.onnx'), { ...common, batch: 4, output: { name: 'out' } });
  const shape: CropShape = {
    sizePx: 64,
    classes: 7,
    logitsSide: 16,
    test: { mode: 'slide', cropPx: 64, stridePx: 40 },
  };
  const stitched: ImageLogits[] = [];
  const segmenter = new SlideSegmenter(shape, 4, {
    segment: low.segment,
    async onImage(image) {
      stitched.push(image);
    },
  });
  const image = { width: 140, height: 100, data: new Uint8Array(readFileSync(join(folder, 'image.bin'))) };
  await segmenter.add({
    id: 'i',
    views: [{ image, isFlipped: false }],
    original: { width: 150, height: 90 },
  });
  await segmenter.flush();
  const whole = new Float32Array(new Uint8Array(readFileSync(join(folder, 'image.logits'))).buffer);
  await using toScores = await Stitcher.open(shape, 1, { device: 'cpu', threads: 1 }, 'scores');
  expect(largestError(await toScores.scores(stitched[0]!), whole)).toBeLessThan(1e-5);
  await using toLabels = await Stitcher.open(shape, 1, { device: 'cpu', threads: 1 });
  const labels = await toLabels.labels(stitched[0]!);
  const classOf = (i: number) => {
    const scores = Array.from({ length: 7 }, (_, label) => whole[label * labels.length + i]!);
    return scores.indexOf(Math.max(...scores));
  };
  const wrong = [...labels].filter((label, i) => label !== classOf(i));
  expect(labels.length).toBe(90 * 150);
  // But for pixels whose two best classes are equal in float32.
  expect(wrong.length).toBeLessThanOrEqual(2);
});
