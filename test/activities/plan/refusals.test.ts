import { describe, expect, test } from 'vitest';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { BadData, BadInput, NotFound } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import { float32Tensor, randomTensors, stagedSet, tinyConfig } from '../../builders.ts';
import { plan } from './plan-of.ts';

describe('a run is refused before a worker exists', () => {
  test('without the weights', async () => {
    const { store, input } = await stagedSet();
    const refusal = plan(store, { ...input, weights: 's3://bucket/none.pth' });
    await expect(refusal).rejects.toThrow(NotFound);
    await expect(refusal).rejects.toThrow('s3://bucket/none.pth: does not exist');
  });

  test('without their manifest, telling how to stage them', async () => {
    const { store, input, objects } = await stagedSet();
    objects.delete(`${input.weights}.manifest.json`);
    const refusal = plan(store, input);
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(
      'Stage it first: tessera stage weights SOURCE s3://bucket/weights.pth',
    );
  });

  test('if the weights are shorter than their manifest says', async () => {
    const { store, input, objects } = await stagedSet();
    const whole = objects.get(input.weights)!;
    objects.set(input.weights, whole.subarray(0, -100));
    const refusal = plan(store, input);
    await expect(refusal).rejects.toThrow(BadData);
    await expect(refusal).rejects.toThrow(
      `s3://bucket/weights.pth: ${whole.length - 100} bytes, but its manifest says ${whole.length}: truncated?`,
    );
  });

  test('if a manifest is none', async () => {
    const { store, input, objects } = await stagedSet();
    objects.set(`${input.weights}.manifest.json`, Buffer.from('<html>'));
    await expect(plan(store, input)).rejects.toThrow(/weights\.pth\.manifest\.json: not valid JSON$/);
    objects.set(`${input.weights}.manifest.json`, objects.get(`${input.dataset}/validation.manifest.json`)!);
    await expect(plan(store, input)).rejects.toThrow(/weights\.pth\.manifest\.json: kind: /);
  });

  test('if the head has another number of classes', async () => {
    const tensors = randomTensors(tinyConfig().model).map((tensor) =>
      tensor.name === 'decode_head.conv_seg.bias' ? float32Tensor(tensor.name, [21], () => 0) : tensor,
    );
    const { store, input } = await stagedSet({ checkpoint: Buffer.from(writeTorchFile({ tensors })) });
    await expect(plan(store, input)).rejects.toThrow(
      "s3://bucket/weights.pth: decode_head.conv_seg.bias has shape [21], but the config's model needs [150]",
    );
  });

  test('if an image is too small for the crops, naming it and its sizes', async () => {
    const { store, input } = await stagedSet({
      sizes: [
        [40, 40],
        [200, 20],
      ],
    });
    const overrides = ['pipeline.resize={"type":"fit","longPx":112,"shortPx":28,"multiplePx":14}'];
    await expect(plan(store, { ...input, overrides })).rejects.toThrow(
      /image_1 \(200×20 px\) becomes 112×14 px, which slide mode with crops of 28 px cannot cover; see pipeline\.resize/,
    );
    expect((await plan(store, input)).kind).toBe('run');
  });

  test('without the dataset, telling how to stage it', async () => {
    const { store, input } = await stagedSet();
    const refusal = plan(store, { ...input, split: 'test' });
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(
      's3://bucket/data/test.manifest.json: does not exist. Stage it first: tessera stage dataset SOURCE s3://bucket/data --split test',
    );
  });

  test('if the dataset has other classes than the head, or unknown ones', async () => {
    const { store, input } = await stagedSet();
    await expect(plan(store, { ...input, overrides: ['model.head.classes=149'] })).rejects.toThrow(
      'test: model.head.classes is 149, but configs/datasets/ade20k.yaml has 150',
    );
    await expect(plan(store, { ...input, overrides: ['dataset.classes=nowhere'] })).rejects.toThrow(
      'configs/datasets/nowhere.yaml: no such file',
    );
  });

  test('by a config that does not exist, a typo in the input, or a wrong override: the nearest is named', async () => {
    const { store, input } = await stagedSet();
    await expect(plan(store, { ...input, config: 'tinny' })).rejects.toThrow(
      "config 'tinny' does not exist in configs/; did you mean tiny?",
    );
    const typo = { ...input, weigths: 's3://bucket/weights.pth' };
    await expect(plan(store, typo)).rejects.toThrow(
      'EvalMIoU input: unknown key weigths; did you mean weights?',
    );
    await expect(plan(store, { ...input, overrides: ['run.bacth=1'] })).rejects.toThrow(
      'did you mean run.batch?',
    );
  });

  test('if the bucket for its results does not exist', async () => {
    const { store, input } = await stagedSet();
    const read: Store['read'] = async (uri, range) => {
      if (uri.startsWith('s3://results')) throw new NotFound('bucket', 's3://results');
      return store.read(uri, range);
    };
    const refusal = plan({ ...store, read }, { ...input, output: 's3://results/runs' });
    await expect(refusal).rejects.toThrow('s3://results: the bucket does not exist');
  });
});
