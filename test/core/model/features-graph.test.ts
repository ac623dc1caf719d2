import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSession, runSession, tensor } from '../../../activities/onnx/session.ts';
import { type FeaturesConfig, prepareFeatures } from '../../../activities/train/features/prepare-features.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { featureOf, IMAGES } from '../../../core/model/features-graph.ts';
import { decodeFeatures, encodeFeatures } from '../../../core/train/feature-codec.ts';
import { tinyTraining } from '../../activities/train/features/tiny-training.ts';
import { createRandom, randomTensors } from '../../builders.ts';
import { npyNumbers, readNpy } from '../../golden/check/npy.ts';
import { goldenFolder } from '../../golden-folder.ts';
import { temporaryFolder } from '../../infra/observe.ts';

const TRAINING = join(goldenFolder(), 'training');

/** Features of normalised images `[b, S, S, 3]`, by tap. */
async function featuresOf(folder: string, file: string, config: FeaturesConfig, images: Float32Array) {
  const { modelFile } = await prepareFeatures(folder, [{ name: file, file: join(folder, file) }], config);
  const session = await openSession(modelFile, { device: 'cpu', threads: 1 });
  const { batch } = config.run;
  const { imageSizePx: side, taps } = config.model.backbone;
  const outputs = await runSession(session, { [IMAGES]: tensor(images, [batch, side, side, 3]) }, 'cpu');
  await session.release();
  return taps.map((_, tap) => outputs[featureOf(tap)]!);
}

/** `[B, 3, S, S]` as the original has it, to `[B, S, S, 3]`. */
function channelsLast(values: Float64Array, [batch, channels, height, width]: number[]): Float32Array {
  const plane = height! * width!;
  return Float32Array.from(values, (_, i) => {
    const channel = i % channels!;
    const pixel = Math.floor(i / channels!) % plane;
    const image = Math.floor(i / (channels! * plane));
    return values[(image * channels! + channel) * plane + pixel]!;
  }).subarray(0, batch! * channels! * plane);
}

// UperNet's run lies in the whole set of golden data only.
const RUNS = [
  { run: 'linear_56', taps: [2], tap: 0, file: 'feat0' },
  // The third level of the pyramid is the tap as it is.
  { run: 'upernet_56', taps: [0, 1, 2, 3], tap: 2, file: 'feat2' },
].filter(({ run }) => existsSync(join(TRAINING, run)));

test.each(RUNS)(
  'the golden images of $run give the features that the original trains on',
  async ({ run, taps, tap, file }) => {
    const folder = temporaryFolder();
    copyFileSync(join(TRAINING, run, 'init.pth'), join(folder, 'init.pth'));
    const input = readNpy(join(TRAINING, run, 'step0_input.npy'));
    const config = tinyTraining(
      { taps },
      ...['pretrainSizePx=224', 'imageSizePx=56', 'embedDim=32', 'depth=4', 'heads=4', 'mlpRatio=4'].map(
        (override) => `model.backbone.${override}`,
      ),
      'model.head.channels=32',
      'model.test={"mode":"whole"}',
      `run.batch=${input.shape[0]}`,
    );
    const images = channelsLast(npyNumbers(input), input.shape);
    const features = await featuresOf(folder, 'init.pth', config, images);
    const expected = readNpy(join(TRAINING, run, `${file}.npy`));
    expect(features[tap]!.dims).toEqual(expected.shape);
    const actual = features[tap]!.data as Float32Array;
    const worst = npyNumbers(expected).reduce(
      (most, value, i) => Math.max(most, Math.abs(actual[i]! - value) - 1e-4 * Math.abs(value)),
      0,
    );
    expect(worst).toBeLessThan(2e-4);
  },
);

function tinyCheckpoint(config: FeaturesConfig, isKept: (name: string) => boolean = () => true): string {
  const folder = temporaryFolder();
  const tensors = randomTensors(config.model).filter(({ name }) => isKept(name));
  writeFileSync(join(folder, 'x.pth'), writeTorchFile({ tensors }));
  return folder;
}

function noisyImages(config: FeaturesConfig): Float32Array {
  const random = createRandom(5);
  return Float32Array.from({ length: config.run.batch * 28 * 28 * 3 }, () => 4 * random() - 2);
}

test('a checkpoint of the backbone alone is enough', async () => {
  const config = tinyTraining();
  const images = noisyImages(config);
  const whole = await featuresOf(tinyCheckpoint(config), 'x.pth', config, images);
  const folder = tinyCheckpoint(config, (name) => name.startsWith('backbone.'));
  const alone = await featuresOf(folder, 'x.pth', config, images);
  expect(alone.map(({ data }) => data)).toEqual(whole.map(({ data }) => data));
});

test.each(['float16', 'bfloat16'] as const)('features are rounded to the nearest %s', async (type) => {
  const folder = tinyCheckpoint(tinyTraining());
  const images = noisyImages(tinyTraining());
  const exact = await featuresOf(folder, 'x.pth', tinyTraining(), images);
  const rounded = await featuresOf(folder, 'x.pth', tinyTraining({ features: type }), images);
  for (const [tap, { data }] of rounded.entries()) {
    const values = data as Float32Array;
    const sent = new Float32Array(values.length);
    decodeFeatures(encodeFeatures(values, type), type, sent);
    expect(sent).toEqual(values);
    const unit = type === 'float16' ? 2 ** -11 : 2 ** -8;
    const source = exact[tap]!.data as Float32Array;
    expect(values).not.toEqual(source);
    expect(
      values.every((value, i) => Math.abs(value - source[i]!) <= unit * Math.abs(source[i]!) + 1e-7),
    ).toBe(true);
  }
});
