import { describe, expect, test } from 'vitest';
import { openHub } from '../../../activities/hub/hub.ts';
import { loadClasses } from '../../../activities/plan/load-config.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { submissionIdsOf } from '../../../core/config/config.ts';
import { BadInput } from '../../../core/config/failures.ts';
import type { Store } from '../../../core/store.ts';
import { float32Tensor, randomTensors, sha256, stagedSet, tinyConfig } from '../../builders.ts';
import { safetensors } from '../../core/checkpoint/hand-made-safetensors.ts';
import { COMMIT, fakeHub, REPO } from '../hub/fake-hub.ts';
import { plan, plannedRun } from './plan-of.ts';

const { model } = tinyConfig();

function checkpointOf(tensors: ReturnType<typeof randomTensors>): Buffer {
  return Buffer.from(writeTorchFile({ tensors }));
}

describe('a plan', () => {
  test('holds all that a run needs, from what was staged', async () => {
    const { store, input, objects } = await stagedSet();
    const run = await plannedRun(store, input);
    const digest = (uri: string) => ({
      uri,
      sha256: sha256(objects.get(uri)!),
      sizeBytes: objects.get(uri)!.length,
    });
    expect(run).toMatchObject({
      workflowId: 'eval-1',
      runId: 'run-1',
      codeVersion: '0.1.0+abc',
      imageDigest: null,
      prefix: 's3://bucket/runs/eval-1',
      config: tinyConfig(),
      weights: digest('s3://bucket/weights.pth'),
      head: null,
      dataset: {
        ...digest('s3://bucket/data/validation.manifest.json'),
        name: 'tiny',
        split: 'validation',
        images: 8,
      },
      ignoredKeys: [],
      imageIds: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => `image_${i}`),
      deadlineSeconds: 86_400,
    });
    expect(run.classes.classes).toHaveLength(150);
    expect(run.fleet).toEqual({
      name: 'eval-run-1',
      launcher: 'local',
      workflowId: run.workflowId,
      runId: 'run-1',
      taskQueue: 'tessera-run-1',
      workers: 2,
      device: 'cpu',
      deadlineSeconds: 86_400,
      logs: `${run.prefix}/logs`,
    });
  });

  test('hands its labels to the fleet', async () => {
    const { store, input } = await stagedSet();
    const labels = { team: 'x' };
    const run = await plannedRun(store, { ...input, labels });
    expect([run.labels, run.fleet.labels]).toEqual([labels, labels]);
  });

  test('cuts shards of equal crops, not of equal images, and the same each time', async () => {
    // Seven images of one crop each, then one of seven.
    const sizes: [number, number][] = [...new Array(7).fill([28, 28]), [148, 28]];
    const { store, input } = await stagedSet({ sizes });
    const { shards } = await plannedRun(store, input);
    expect(shards.map(({ count }) => count)).toEqual([7, 1]);
    expect((await plannedRun(store, input)).shards).toEqual(shards);
  });

  test('applies overrides, and starts no more workers than there are shards', async () => {
    const { store, input } = await stagedSet();
    const overrides = ['run.workers=9', 'run.shards=100', 'run.overlays=3'];
    const run = await plannedRun(store, { ...input, overrides, deadlineMinutes: 2 });
    expect(run.shards).toHaveLength(8);
    expect([run.fleet.workers, run.fleet.deadlineSeconds]).toEqual([8, 120]);
    expect(run.overlays).toEqual(['image_0', 'image_2', 'image_5']);
  });

  test('takes a head from a file of its own, and lists keys that nothing uses', async () => {
    const all = randomTensors(model);
    const backbone = [
      ...all.filter(({ name }) => name.startsWith('backbone.')),
      float32Tensor('clip_projector.x', [2], () => 0),
    ];
    const { store, input, stageWeights } = await stagedSet({ checkpoint: checkpointOf(backbone) });
    stageWeights(
      's3://bucket/head.pth',
      checkpointOf(all.filter(({ name }) => name.startsWith('decode_head.'))),
    );
    const run = await plannedRun(store, { ...input, head: 's3://bucket/head.pth' });
    expect(run.head?.uri).toBe('s3://bucket/head.pth');
    expect(run.ignoredKeys).toEqual(['clip_projector.x']);
    await expect(plan(store, input)).rejects.toThrow(
      /missing decode_head\..*is the head in a file of its own/,
    );
  });

  test('reads of checkpoints only their tables of contents', async () => {
    const overrides = ['model.backbone.embedDim=256', 'model.head.channels=256'];
    const { store, input, objects } = await stagedSet({ model: tinyConfig(...overrides).model });
    let bytes = 0;
    const counting: Store = {
      ...store,
      read: async (uri, range) => {
        if (uri === input.weights) bytes += range?.length ?? Number.POSITIVE_INFINITY;
        return store.read(uri, range);
      },
    };
    await plan(counting, { ...input, overrides });
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(objects.get(input.weights)!.length / 10);
  });

  test('asks whether results can be published where they shall be, before a worker exists', async () => {
    const { store, input } = await stagedSet();
    const checkWrites = async (folder: string) => {
      throw new BadInput(`${folder}: the store ignores If-None-Match`);
    };
    await expect(plan({ ...store, checkWrites }, input)).rejects.toThrow(
      `${input.output}: the store ignores If-None-Match`,
    );
  });
});

describe('weights on the Hub', () => {
  const tensors = randomTensors(model);
  const inHub = safetensors(
    Object.fromEntries(
      tensors.map(({ name, shape, data }) => [name, { dtype: 'F32', shape, data: data as Uint8Array }]),
    ),
  );

  test('are planned with at the commit that their revision is', async () => {
    const { store, input } = await stagedSet();
    const { endpoint } = await fakeHub({ 'model.safetensors': inHub });
    const hub = openHub({ endpoint, token: null });
    const planned = await plan(store, { ...input, weights: `hf://${REPO}@main` }, 'run-1', hub);
    expect(planned).toMatchObject({
      run: {
        weights: {
          uri: `hf://${REPO}@${COMMIT}/model.safetensors`,
          sha256: sha256(inHub),
          sizeBytes: inHub.length,
        },
      },
    });
  });

  test('are refused where nothing is read from there, or by an address that is none', async () => {
    const { store, input } = await stagedSet();
    await expect(plan(store, { ...input, weights: `hf://${REPO}` })).rejects.toThrow(
      `hf://${REPO}: nothing is read from the Hub here; expected s3://bucket/key`,
    );
    await expect(plan(store, { ...input, weights: 'hf://vit' })).rejects.toThrow(
      /weights.*expected s3:\/\/bucket\/key or hf:\/\/org\/name@revision\/file/,
    );
  });
});

describe('a split without annotations', () => {
  async function unlabelled() {
    const set = await stagedSet();
    const images = set.manifest.images.map(({ annotation: _, ...image }) => image);
    set.objects.set(
      's3://bucket/data/validation.manifest.json',
      Buffer.from(JSON.stringify({ ...set.manifest, images })),
    );
    return set;
  }

  test('is refused where a mIoU is asked for, with what can be had', async () => {
    const { store, input } = await unlabelled();
    await expect(plan(store, input)).rejects.toThrow(
      "s3://bucket/data/validation.manifest.json: 8 of 8 images of split 'validation' have no annotation, so it has no " +
        'mIoU: ask for label maps (--format-only or --out), or for painted images (--show)',
    );
  });

  test.each(['run.predictions=labels', 'run.predictions=submission', 'run.show={"opacity":0.5}'])(
    'is predicted with %s',
    async (override) => {
      const { store, input } = await unlabelled();
      const run = await plannedRun(store, { ...input, overrides: [override] });
      expect(run.imageIds).toHaveLength(8);
    },
  );
});

test('label maps for a server hold what the dataset says, or class + 1', async () => {
  const { store, input } = await stagedSet();
  const idsWith = async (...overrides: string[]) =>
    (await plannedRun(store, { ...input, overrides })).labelIds;
  expect(await idsWith('run.predictions=labels')).toBeNull();
  expect(await idsWith('run.predictions=submission')).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  const cityscapes = await loadClasses('cityscapes');
  const ids = submissionIdsOf(cityscapes);
  // As cityscapesScripts' labels.py has them.
  const named = Object.fromEntries(cityscapes.classes.map(({ name }, i) => [name, ids[i]]));
  expect(named).toMatchObject({ road: 7, sidewalk: 8, 'traffic light': 19, sky: 23, train: 31, bicycle: 33 });
  expect(submissionIdsOf(await loadClasses('pascal-voc'))).toEqual(Array.from({ length: 21 }, (_, i) => i));
});
