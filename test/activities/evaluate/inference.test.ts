import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Inference } from '../../../activities/evaluate/inference.ts';
import { prepareModel } from '../../../activities/evaluate/prepare-model.ts';
import { type TensorToWrite, writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import type { VitConfig } from '../../../core/config/model-kinds.ts';
import type { Labels } from '../../../core/image/label-map.ts';
import { createRandom, float32Tensor, heavyConfig, randomTensors, tinyConfig } from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';

/** A model at work, and images of one crop for it. */
async function openInference(
  config: VitConfig,
  stitchBeside = false,
  change = (tensor: TensorToWrite): TensorToWrite => tensor,
) {
  const folder = temporaryFolder();
  const file = join(folder, 'x.pth');
  writeFileSync(file, writeTorchFile({ tensors: randomTensors(config.model).map(change) }));
  const { modelFile } = await prepareModel(folder, [{ name: 'x.pth', file }], config);
  const inference = await Inference.open({ modelFile, config, stitchBeside });
  onTestFinished(() => inference[Symbol.asyncDispose]());
  const side = config.model.backbone.imageSizePx;
  const image = () => ({ width: side, height: side, data: new Uint8Array(side * side * 3).fill(90) });
  const views = () => [{ image: image(), isFlipped: false }];
  const segment = (id: string, original = { width: 11, height: 7 }) =>
    inference.segment(id, views(), original);
  return { inference, segment };
}

test('a label map has the size of its original', async () => {
  const { inference, segment } = await openInference(tinyConfig());
  const labels = segment('a');
  inference.flush();
  expect(await labels).toHaveLength(7 * 11);
  expect(inference.phases).toMatchObject({ batches: 1 });
  expect(inference.start.buildSeconds).toBeGreaterThan(0);
});

test('a full batch runs by itself, what is left waits for the flush', async () => {
  const { inference, segment } = await openInference(tinyConfig('run.batch=2'));
  const [first, second, third] = ['a', 'b', 'c'].map((id) => segment(id));
  await Promise.all([first, second]);
  expect(inference.phases.batches).toBe(1);
  inference.flush();
  await third;
  expect(inference.phases.batches).toBe(2);
});

test.for<[boolean, number[]]>([
  [false, [0, 20, 60]],
  [true, [20]],
])(
  'one that is closed in the middle of a batch lets it end, drops what waits, and leaves the process whole (stitching beside: %s)',
  async ([stitchBeside, delaysMs]) => {
    for (const delayMs of delaysMs) {
      const { inference, segment } = await openInference(heavyConfig(), stitchBeside);
      const waiting = Array.from({ length: 40 }, (_, i) =>
        segment(`${i}`).catch((error: Error) => error.message),
      );
      await sleep(delayMs);
      await inference[Symbol.asyncDispose]();
      expect((await Promise.all(waiting)).at(-1)).toMatch(
        /the (inference thread is closing|(inference|stitcher's) thread ended)/,
      );
      await inference[Symbol.asyncDispose]();
    }
  },
);

/** Several images of unlike sizes, whose windows share batches. @returns label maps in the order in which they came */
async function labelsOf(stitchBeside: boolean) {
  const { inference } = await openInference(tinyConfig('run.batch=3'), stitchBeside);
  const { imageSizePx } = tinyConfig().model.backbone;
  const random = createRandom(1);
  const came: [string, Labels][] = [];
  const all = Array.from({ length: 12 }, (_, i) => {
    const size = { width: imageSizePx + 7 * (i % 4), height: imageSizePx + 5 * (i % 3) };
    const data = Uint8Array.from({ length: size.width * size.height * 3 }, () => 256 * random());
    const views = [{ image: { ...size, data }, isFlipped: false }];
    return inference.segment(`${i}`, views, size).then((labels) => came.push([`${i}`, labels]));
  });
  inference.flush();
  await Promise.all(all);
  return { came, phases: inference.phases };
}

test('a stitcher beside the graph gives the same bytes, in the same order', async () => {
  const [after, beside] = [await labelsOf(false), await labelsOf(true)];
  expect(beside.came).toEqual(after.came);
  expect(new Set(after.came.flatMap(([, labels]) => [...labels])).size).toBeGreaterThan(1);
  expect(beside.phases.batches).toBe(after.phases.batches);
  expect(after.phases.both).toBe(0);
  expect(beside.phases.both).toBeLessThanOrEqual(Math.min(beside.phases.graph, beside.phases.stitch));
});

test.for([false, true])(
  'what a stitcher cannot stitch fails what waits, and what comes after (beside: %s)',
  async (stitchBeside) => {
    const config = tinyConfig('run.batch=1');
    const { inference, segment } = await openInference(config, stitchBeside, (tensor) =>
      tensor.name.endsWith('conv_seg.bias')
        ? float32Tensor(tensor.name, tensor.shape, () => Number.NaN)
        : tensor,
    );
    await expect(segment('broken')).rejects.toMatchObject({
      failureClass: 'BadData',
      message: expect.stringMatching(/^broken: the model's logits are not finite/),
    });
    await expect(segment('next')).rejects.toThrow('not finite');
    await inference[Symbol.asyncDispose]();
  },
);

test.for([false, true])(
  'a model that cannot be opened is refused (stitching beside: %s)',
  async (stitchBeside) => {
    const opened = Inference.open({ modelFile: '/nowhere/x.onnx', config: tinyConfig(), stitchBeside });
    await expect(opened).rejects.toThrow('/nowhere/x.onnx');
  },
);

test('one that is closed while its stitcher is behind does not wait for all that it was given', async () => {
  const { inference, segment } = await openInference(tinyConfig('run.batch=1'), true);
  let made = 0;
  const waiting = Array.from({ length: 60 }, (_, i) =>
    segment(`${i}`, { width: 1_500, height: 1_500 }).then(
      () => made++,
      (error: Error) => error.message,
    ),
  );
  await waiting[0];
  await inference[Symbol.asyncDispose]();
  await Promise.all(waiting);
  expect(made).toBeLessThan(30);
});

test('one that has ended refuses images', async () => {
  const { inference, segment } = await openInference(tinyConfig());
  await inference[Symbol.asyncDispose]();
  await expect(segment('a')).rejects.toThrow(/the (inference|stitcher's) thread ended/);
});
