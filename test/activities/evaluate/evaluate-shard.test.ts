import { existsSync, readdirSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { fetchToCache } from '../../../activities/deliver/object-cache.ts';
import { loadVitConfig } from '../../../activities/plan/load-config.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { BadInput } from '../../../core/config/failures.ts';
import { readShardMatrices } from '../../../core/image-matrices-objects.ts';
import { emptyMatrix, total } from '../../../core/metric/confusion-matrix.ts';
import { sumOfImages } from '../../../core/metric/image-matrices.ts';
import { decodeMatrix } from '../../../core/metric/matrix-codec.ts';
import {
  float32Tensor,
  heavyConfig,
  jpegOf,
  randomTensors,
  sha256,
  stagedSet,
  tinyConfig,
} from '../../builders.ts';
import { temporaryFolder } from '../../infra/observe.ts';
import { plannedRun } from '../plan/plan-of.ts';
import { openEvaluator, shardTask } from './shard-task.ts';

const { model } = tinyConfig();

describe('a shard', () => {
  test('has the same matrix and the same label maps, bit by bit, in batches of 1, 3 and 8', async () => {
    const set = await stagedSet();
    const results = [];
    for (const batch of [1, 3, 8]) {
      const { evaluate } = openEvaluator(set.store);
      const { matrix, images } = await evaluate(
        await shardTask(set, { config: tinyConfig(`run.batch=${batch}`) }),
      );
      results.push({ matrix, images });
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    // Were all predictions of one class, this would say little.
    const { classes, counts } = decodeMatrix(results[0]!.matrix);
    const predicted = new Set([...counts.keys()].filter((i) => counts[i]! > 0).map((i) => i % classes));
    expect(predicted.size).toBeGreaterThan(10);
  });

  test('counts each labelled pixel once, and gives the evidence', async () => {
    const set = await stagedSet();
    const { evaluate, predictions, heartbeats } = openEvaluator(set.store);
    const result = await evaluate(await shardTask(set));
    expect(result).toMatchObject({
      shard: 3,
      worker: 'worker-0',
      attempt: 2,
      environment: { device: 'cpu' },
    });
    expect(result.images.map(({ id }) => id)).toEqual(set.manifest.images.map(({ id }) => id));
    for (const [i, { width, height }] of set.manifest.images.entries()) {
      const { id, predictionSha256, labelledPixels } = result.images[i]!;
      expect(predictions.get(id)).toHaveLength(width * height);
      expect(predictionSha256).toBe(sha256(predictions.get(id)!));
      // One label of 151 is ignored.
      expect(labelledPixels).toBeLessThanOrEqual(width * height);
      expect(labelledPixels).toBeGreaterThan(width * height * 0.95);
    }
    const pixels = result.images.reduce((sum, { labelledPixels }) => sum + labelledPixels, 0);
    expect(total(decodeMatrix(result.matrix))).toBe(pixels);
    expect(heartbeats[0]).toEqual({ worker: 'worker-0', imagesDone: 0, images: 8 });
    expect(heartbeats.at(-1)).toEqual({ worker: 'worker-0', imagesDone: 8, images: 8 });
  });

  test('and another one add up to what one shard of both gives', async () => {
    const set = await stagedSet();
    const { evaluate } = openEvaluator(set.store);
    const whole = await evaluate(await shardTask(set));
    const first = await evaluate(await shardTask(set, { count: 3 }));
    const second = await evaluate(await shardTask(set, { first: 3, count: 5 }));
    expect([...first.images, ...second.images]).toEqual(whole.images);
    const sum = emptyMatrix(150);
    for (const part of [first, second])
      decodeMatrix(part.matrix).counts.forEach((count, i) => {
        sum.counts[i]! += count;
      });
    expect(sum).toEqual(decodeMatrix(whole.matrix));
  });

  test('keeps each image’s matrix, in the manifest’s order: the same object in any batch, which adds up to its own', async () => {
    const set = await stagedSet();
    const before = new Set(set.objects.keys());
    const digests = [];
    for (const batch of [1, 8]) {
      const { evaluate, predictions } = openEvaluator(set.store);
      const task = await shardTask(set, { config: tinyConfig(`run.batch=${batch}`), first: 2, count: 5 });
      const { matrix, images, imageMatrices } = await evaluate(task);
      const stored = { prefix: task.run.prefix, shard: 3, digest: imageMatrices! };
      const kept = await readShardMatrices(set.store, stored);
      expect(kept.ids).toEqual(set.manifest.images.slice(2, 7).map(({ id }) => id));
      expect(sumOfImages(kept)).toEqual(decodeMatrix(matrix));
      const pixels = kept.ids.map((_, i) =>
        kept.counts.slice(kept.rows[i], kept.rows[i + 1]).reduce((sum, count) => sum + count, 0),
      );
      expect(pixels).toEqual(images.map(({ labelledPixels }) => labelledPixels));
      expect(predictions.size).toBe(5);
      digests.push(imageMatrices);
    }
    expect(digests[1]).toBe(digests[0]);
    expect([...set.objects.keys()].filter((uri) => !before.has(uri))).toHaveLength(1);
  });

  test('has its numbers, and a warning, where the store refuses the images’ matrices', async () => {
    const set = await stagedSet({ sizes: [[40, 40]] });
    const denied: typeof set.store = {
      ...set.store,
      async write(uri) {
        throw new BadInput(`${uri}: access denied`);
      },
    };
    const { evaluate } = openEvaluator(denied);
    const { matrix, imageMatrices, warnings } = await evaluate(await shardTask(set));
    expect(total(decodeMatrix(matrix))).toBeGreaterThan(1000);
    expect(imageMatrices).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringMatching(/^per-image matrices are left out: .*\/shards\/3-.*: access denied$/),
    ]);
  });

  test('has the same numbers with weights from a cache that may only be read: its model file lies elsewhere', async () => {
    const set = await stagedSet();
    const { evaluate } = openEvaluator(set.store);
    const expected = await evaluate(await shardTask(set));
    const nodeCache = temporaryFolder();
    const before = await fetchToCache(set.store, nodeCache, (await shardTask(set)).run.weights);
    const { evaluate: evaluateThere, fetched } = openEvaluator(set.store, nodeCache);
    const { matrix, images } = await evaluateThere(await shardTask(set));
    expect({ matrix, images }).toEqual({ matrix: expected.matrix, images: expected.images });
    expect(fetched).toEqual([before]);
    expect(readdirSync(nodeCache)).toEqual(['objects']);
  });

  test('finds the model loaded by the one before: only the first pays for its start', async () => {
    const set = await stagedSet();
    const { evaluate } = openEvaluator(set.store);
    const { phases: first } = await evaluate(await shardTask(set));
    expect(first.start).toBe(1.5);
    expect(Math.min(first.weightFetch, first.graphBuild, first.warmUp, first.compute)).toBeGreaterThan(0);
    const { phases: second } = await evaluate(await shardTask(set));
    expect(second).toMatchObject({ start: 0, weightFetch: 0, graphBuild: 0, warmUp: 0 });
    expect(second.compute).toBeGreaterThan(0);
  });

  test('of UperNet needs nothing of the auxiliary head that it was trained with', async () => {
    const { model, ...upernet } = await loadVitConfig('tiny_upernet');
    const trained = randomTensors(model);
    const weights = (tensors: typeof trained) => Buffer.from(writeTorchFile({ tensors }));
    const isAuxiliary = ({ name }: { name: string }) => name.startsWith('auxiliary_head.');
    expect(trained.filter(isAuxiliary).length).toBeGreaterThan(0);
    const results = [];
    for (const tensors of [trained, trained.filter((tensor) => !isAuxiliary(tensor))]) {
      const set = await stagedSet({ checkpoint: weights(tensors), sizes: [[170, 168]] });
      const { config, ignoredKeys } = await plannedRun(set.store, {
        ...set.input,
        config: { model, ...upernet },
      });
      expect(ignoredKeys.every((name) => isAuxiliary({ name }))).toBe(true);
      const { evaluate } = openEvaluator(set.store);
      const { matrix, images } = await evaluate(await shardTask(set, { config }));
      results.push({ matrix, images });
    }
    expect(results[1]).toEqual(results[0]);
  });

  test('of a training’s next checkpoint takes the head of the one before out of the cache', async () => {
    const set = await stagedSet();
    const { evaluate, fetched } = openEvaluator(set.store);
    const task = await shardTask(set);
    const heads = [1, 2].map((step) => {
      const tensors = randomTensors(model, step).filter(({ name }) => name.startsWith('decode_head.'));
      const bytes = Buffer.from(writeTorchFile({ tensors }));
      const uri = `s3://bucket/iter_${step}.pth`;
      set.objects.set(uri, bytes);
      return { uri, sha256: sha256(bytes), sizeBytes: bytes.length };
    });
    const results = [];
    for (const head of [heads[0]!, heads[0]!, heads[1]!])
      results.push(await evaluate({ ...task, run: { ...task.run, head } }));
    expect(results[0]!.matrix).not.toEqual(results[2]!.matrix);
    const [weights, first, , second] = fetched as [string, string, string, string];
    expect(new Set(fetched)).toEqual(new Set([weights, first, second]));
    expect([weights, first, second].map((file) => existsSync(file))).toEqual([true, false, true]);
    expect(existsSync(`${first}.ok`)).toBe(false);
  });

  test('of a training’s next whole model takes the one before out of the cache', async () => {
    const set = await stagedSet();
    const { evaluate, fetched } = openEvaluator(set.store);
    const task = await shardTask(set);
    const models = [1, 2].map((step) => {
      const bytes = Buffer.from(writeTorchFile({ tensors: randomTensors(model, step) }));
      const uri = `s3://bucket/runs/train-1/checkpoints/iter_${step}.pth`;
      set.objects.set(uri, bytes);
      return { uri, sha256: sha256(bytes), sizeBytes: bytes.length };
    });
    for (const weights of models) await evaluate({ ...task, run: { ...task.run, weights, head: null } });
    expect(fetched.map((file) => existsSync(file))).toEqual([false, true]);
    // One that is no training's stays.
    await evaluate(task);
    await evaluate({ ...task, run: { ...task.run, weights: models[0]!, head: null } });
    expect(existsSync(fetched.at(-2)!)).toBe(true);
  });

  test('writes overlays of the listed images, and nothing else', async () => {
    const set = await stagedSet();
    const before = [...set.objects.keys()];
    const { evaluate } = openEvaluator(set.store);
    await evaluate(await shardTask(set, { first: 1, count: 4, overlays: ['image_1', 'image_3'] }));
    const { prefix } = (await shardTask(set)).run;
    const isNew = (uri: string) => !before.includes(uri) && !uri.startsWith(`${prefix}/shards/`);
    const written = [...set.objects.keys()].filter(isNew).sort();
    expect(written).toEqual(
      [1, 3].flatMap((i) =>
        ['errors.png', 'webp'].map((suffix) => `s3://bucket/runs/eval-1/overlays/image_${i}.${suffix}`),
      ),
    );
    // Image, truth and prediction of 30×75 beside each other, with gaps.
    const { format, width, height } = await sharp(set.objects.get(written[1]!)!).metadata();
    expect([format, width, height]).toEqual(['webp', 3 * 30 + 2 * 6, 75]);
  });
});

describe('a shard fails', () => {
  test('as BadData if the weights are not numbers', async () => {
    const tensors = randomTensors(model).map((tensor) =>
      tensor.name === 'decode_head.conv_seg.bias'
        ? float32Tensor(tensor.name, [150], () => Number.NaN)
        : tensor,
    );
    const set = await stagedSet({ checkpoint: Buffer.from(writeTorchFile({ tensors })) });
    const refusal = openEvaluator(set.store).evaluate(await shardTask(set));
    await expect(refusal).rejects.toMatchObject({
      failureClass: 'BadData',
      message: expect.stringMatching(/^image_\d: the model's logits are not finite/),
    });
  });

  test('by the name of the image that an unforeseen error befell, with that error as its cause', async () => {
    const set = await stagedSet();
    const bug = new TypeError('x is not a function');
    const { evaluate } = openEvaluator(set.store, null, (id) => {
      if (id === 'image_2') throw bug;
    });
    await expect(evaluate(await shardTask(set))).rejects.toMatchObject({
      failureClass: 'Unexpected',
      message: 'image_2: unexpected error: TypeError: x is not a function',
      cause: bug,
    });
  });

  // With a GPU there is nothing to refuse.
  test.skipIf(existsSync('/dev/nvidia0'))(
    'as BadInput without a GPU for device cuda: the CPU does not step in',
    async () => {
      const set = await stagedSet();
      const { evaluate, predictions } = openEvaluator(set.store);
      const refusal = evaluate(await shardTask(set, { config: tinyConfig('run.device=cuda') }));
      await expect(refusal).rejects.toMatchObject({
        failureClass: 'BadInput',
        message: expect.stringMatching(/run\.device is cuda, but CUDA is not available here/),
      });
      expect(predictions.size).toBe(0);
    },
  );

  test('as BadData if the dataset was staged anew since the plan', async () => {
    const set = await stagedSet();
    const task = await shardTask(set);
    const uri = task.run.dataset.uri;
    set.objects.set(uri, Buffer.concat([set.objects.get(uri)!, Buffer.from('\n')]));
    await expect(openEvaluator(set.store).evaluate(task)).rejects.toMatchObject({
      failureClass: 'BadData',
      message: `${uri}: changed since the run was planned; start the run again`,
    });
  });

  test('by the name of a damaged image, and the next one on this worker has the right numbers', async () => {
    const set = await stagedSet();
    const { evaluate } = openEvaluator(set.store);
    const task = await shardTask(set);
    const expected = await evaluate(task);

    const uri = 's3://bucket/data/images/image_5.jpg';
    const whole = set.objects.get(uri)!;
    set.objects.set(uri, await jpegOf(40, 40, 99));
    await expect(evaluate(task)).rejects.toMatchObject({
      failureClass: 'BadData',
      message: expect.stringContaining(`${uri}: not the bytes that were staged`),
    });
    set.objects.set(uri, whole);
    const { matrix, images } = await evaluate(task);
    expect({ matrix, images }).toEqual({ matrix: expected.matrix, images: expected.images });
  });

  test('with the reason that it was told to stop for', async () => {
    const set = await stagedSet();
    const { evaluate } = openEvaluator(set.store);
    const task = await shardTask(set);
    await evaluate(task);
    const signal = AbortSignal.abort(new Error('the run was cancelled'));
    await expect(evaluate(task, signal)).rejects.toThrow('the run was cancelled');
  });
});

test('while a batch runs, the worker’s own thread goes on: timers are not held up', async () => {
  const config = heavyConfig();
  const set = await stagedSet({ model: config.model, sizes: [[140, 140]] });
  const { evaluate } = openEvaluator(set.store);
  const task = await shardTask(set, { config });
  await evaluate(task);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  // One batch: all of its time is one call of ONNX Runtime.
  const { phases } = await evaluate(task);
  clearInterval(timer);
  // At one time in four at least, on a machine with other work as well.
  expect(ticks).toBeGreaterThan((phases.compute * 1000) / 5 / 4);
});
