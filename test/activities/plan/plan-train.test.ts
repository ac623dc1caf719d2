import { describe, expect, test } from 'vitest';
import { planTrain } from '../../../activities/plan/plan-train.ts';
import { publishTraining } from '../../../activities/publish/publish-training.ts';
import { writeTorchFile } from '../../../core/checkpoint/torch-writer.ts';
import { BadInput } from '../../../core/config/failures.ts';
import type { TrainInput, TrainRun } from '../../../core/config/train-run.ts';
import { backboneSpecs } from '../../../core/model/backbone.ts';
import { checkpointFolder } from '../../../core/train/checkpoint-pointers.ts';
import { randomTensors, stagedSet, tinyConfig } from '../../builders.ts';
import { segment, trainable } from '../train/training-run.ts';

/** The staged set with its images as the training's split, too; the checkpoint holds a backbone alone. */
async function trainingSet() {
  const { model } = tinyConfig();
  const names = new Set(backboneSpecs(model).map(({ name }) => name));
  const tensors = randomTensors(model).filter(({ name }) => names.has(name));
  const set = await stagedSet({ checkpoint: Buffer.from(writeTorchFile({ tensors })) });
  const { objects, input } = set;
  const training = { ...set.manifest, split: 'training' };
  objects.set('s3://bucket/data/training.manifest.json', Buffer.from(JSON.stringify(training)));
  const request: TrainInput = { ...input, config: trainable(), allowOverlap: true };
  return { ...set, request };
}

type Set = Awaited<ReturnType<typeof trainingSet>>;

async function plan(set: Set, request: TrainInput, workflowId = 'train-1') {
  const plan = await planned(set, request, workflowId);
  if (plan.kind === 'finished') throw new Error('already finished');
  return plan;
}

function planned({ store }: Set, request: TrainInput, workflowId: string) {
  const context = { store, launcher: 'local', codeVersion: '0.1.0+abc', imageDigest: null };
  return planTrain(context, request, { workflowId, runId: 'run-1', taskQueue: 'tessera' });
}

/** Trains up to a step as workflow `train-1`. */
async function trainedSet(until: number): Promise<Set & { run: TrainRun }> {
  const set = await trainingSet();
  const { run } = await plan(set, set.request);
  await segment(set.store, { run, until });
  return { ...set, run };
}

describe('a plan', () => {
  test('has all that a training needs, and nothing of an earlier one', async () => {
    const set = await trainingSet();
    const { run, checkpoint, evaluations } = await plan(set, set.request);
    expect({ checkpoint, evaluations }).toEqual({ checkpoint: null, evaluations: [] });
    expect(run).toMatchObject({
      prefix: 's3://bucket/runs/train-1',
      start: { from: 'scratch' },
      dataset: { split: 'training', images: 8 },
      evaluation: { dataset: 's3://bucket/data', split: 'validation' },
      fleet: { name: 'train-run-1', taskQueue: 'tessera-run-1', workers: 2 },
    });
  });

  test('is refused for more than 255 classes, whose labels need 16 bits', async () => {
    const set = await trainingSet();
    const config = trainable();
    const classes = Array.from({ length: 300 }, (_, i) => ({ name: `${i}`, color: [0, 0, 0] }));
    config.model.head.classes = 300;
    config.dataset = {
      ...config.dataset,
      classes: { name: 'many', classes },
      ignoreIndex: 65_535,
    } as typeof config.dataset;
    await expect(planned(set, { ...set.request, config }, 'train-1')).rejects.toThrow(
      'has 300 classes; a training takes at most 255, more are only evaluated',
    );
  });

  test('is refused where the step has no room on the named GPUs, though an evaluation would', async () => {
    const set = await trainingSet();
    const overrides = ['run.device=cuda', 'run.deviceMemoryGb=4'];
    await expect(plan(set, { ...set.request, overrides })).rejects.toThrow(
      /train\.batch 4 needs about 4\.\d GB of device memory \(libraries and arenas 2\.5 GB, .*\), and run\.deviceMemoryGb is 4/,
    );
  });

  test('goes on from the newest checkpoint of its workflow id, however many workers there are now', async () => {
    const set = await trainedSet(10);
    const { checkpoint } = await plan(set, {
      ...set.request,
      overrides: ['run.workers=7', 'train.logEvery=1'],
    });
    expect(checkpoint).toMatchObject({ step: 10, uri: 's3://bucket/runs/train-1/checkpoints/iter_10.json' });
  });

  test('takes as few images as the config says', async () => {
    const set = await trainingSet();
    const { run } = await plan(set, { ...set.request, overrides: ['train.data.images=3'] });
    expect(run.dataset.images).toBe(3);
  });

  test('begins with another run’s checkpoint or head, as told', async () => {
    const set = await trainedSet(10);
    const folder = checkpointFolder(set.run.prefix);
    const resumed = await plan(set, { ...set.request, resumeFrom: folder }, 'train-2');
    expect(resumed.run.start).toEqual({ from: 'checkpoint', uri: `${folder}/iter_10.json`, step: 10 });
    expect(resumed.checkpoint).toBeNull();
    const loaded = await plan(set, { ...set.request, loadFrom: `${folder}/iter_5.pth` }, 'train-2');
    expect(loaded.run.start).toMatchObject({ from: 'head', head: { uri: `${folder}/iter_5.pth` } });
  });
});

describe('a training that began with what is gone since', () => {
  /** Begun as workflow `train-2` with something of `train-1`'s folder, which is emptied at step 15. */
  async function begun(withWhat: (folder: string) => Partial<TrainInput>) {
    const set = await trainedSet(10);
    const folder = checkpointFolder(set.run.prefix);
    const request = { ...set.request, ...withWhat(folder) };
    const { run } = await plan(set, request, 'train-2');
    await segment(set.store, { run, until: 15 });
    for (const uri of set.objects.keys()) if (uri.startsWith(folder)) set.objects.delete(uri);
    return { set, request, run };
  }
  const ways = [
    ['a checkpoint', (folder: string) => ({ resumeFrom: `${folder}/iter_10.json` }), 'checkpoint'],
    ['a folder of checkpoints', (folder: string) => ({ resumeFrom: folder }), 'checkpoint'],
    ['a head', (folder: string) => ({ loadFrom: `${folder}/iter_5.pth` }), 'head'],
  ] as const;

  test.each(ways)('goes on from its own checkpoint by the same command: %s', async (_, withWhat, from) => {
    const { set, request, run } = await begun(withWhat);
    const again = await plan(set, request, 'train-2');
    expect(again.checkpoint).toMatchObject({
      step: 15,
      uri: 's3://bucket/runs/train-2/checkpoints/iter_15.json',
    });
    expect(run.start.from).toBe(from);
    expect(again.run.start).toEqual(run.start);
  });

  test('says so in the end although the command that it goes on by says nothing of it', async () => {
    const { set, run } = await begun((folder) => ({ resumeFrom: folder }));
    const again = await plan(set, set.request, 'train-2');
    expect(again.run.start).toEqual(run.start);
  });

  test('gives its finished results by the same command', async () => {
    const { set, request, run } = await begun((folder) => ({ resumeFrom: folder }));
    await segment(set.store, { run });
    const evaluation = { step: 20, mIoU: 0.5, mAcc: 0.5, aAcc: 0.5, resultsUri: 's3://bucket/results.json' };
    const published = await publishTraining(
      set.store,
      {
        run,
        resumedFrom: null,
        evaluations: [evaluation],
        segments: [],
        failures: [],
        workers: [],
        reproduce: [],
        times: { started: 0, planned: 0, trained: 0, evaluateSeconds: 0 },
      },
      0,
    );
    expect(await planned(set, request, 'train-2')).toEqual({
      kind: 'finished',
      result: { ...published, cached: true },
    });
  });
});

describe('a training is refused', () => {
  test('on images that it is evaluated on, with their number, unless it is meant', async () => {
    const set = await trainingSet();
    const { images } = set.manifest;
    const others = images.map(({ image, ...entry }, i) =>
      i < 3 ? { image, ...entry } : { image: { ...image, sha256: `${i}`.repeat(64) }, ...entry },
    );
    const training = { ...set.manifest, split: 'training', images: others };
    set.objects.set('s3://bucket/data/training.manifest.json', Buffer.from(JSON.stringify(training)));
    await refused(
      set,
      { allowOverlap: false },
      "s3://bucket/data: 3 of 8 images of split 'training' are in split 'validation' as well, which the training is " +
        'evaluated on (image_0 …). Stage the right files, or say that it is meant: "allowOverlap": true',
    );
  });

  async function refused(set: Set, changes: Partial<TrainInput>, message: string | RegExp, id = 'train-1') {
    const before = new Map(set.objects);
    const refusal = plan(set, { ...set.request, ...changes }, id);
    await expect(refusal).rejects.toThrow(BadInput);
    await expect(refusal).rejects.toThrow(message);
    expect(set.objects).toEqual(before);
  }

  test('without a train section, or without the split that it names', async () => {
    const set = await trainingSet();
    await refused(set, { config: tinyConfig() }, /test: has no section 'train'/);
    await refused(
      set,
      { overrides: ['train.data.split=extra'] },
      /data\/extra\.manifest\.json: does not exist\. Stage it first: .* --split extra/,
    );
    await refused(set, { evaluationSplit: 'test' }, /data\/test\.manifest\.json: does not exist/);
    await refused(
      set,
      { overrides: ['train.data.images=9'] },
      /train\.data\.images is 9, but .* has 8 images/,
    );
  });

  test('whose results could not be published where they shall be', async () => {
    const set = await trainingSet();
    const checkWrites = async (folder: string) => {
      throw new BadInput(`${folder}: the store ignores If-None-Match`);
    };
    const refusal = plan({ ...set, store: { ...set.store, checkWrites } }, set.request);
    await expect(refusal).rejects.toThrow('s3://bucket/runs: the store ignores If-None-Match');
  });

  test('that would fill Temporal’s history: what is to be changed is named', async () => {
    const set = await trainingSet();
    const steps = 'train.steps=80000';
    const spare = ['train.checkpointEvery=1000', 'train.evaluateEvery=1000'];
    const told = /80000 steps with train\.evaluateEvery \d+, .* would be \d+ events/;
    await refused(set, { overrides: [steps, ...spare, 'run.workers=512'] }, told);
    await refused(set, { overrides: [steps, ...spare, 'train.checkpointEvery=1'] }, told);
    await refused(set, { overrides: [steps, ...spare, 'train.evaluateEvery=10'] }, told);
    const { run } = await plan(set, { ...set.request, overrides: [steps, ...spare, 'run.workers=64'] });
    expect(run.fleet.workers).toBe(64);
  });

  test('that shall never go on, where there is something to go on from', async () => {
    const set = await trainedSet(5);
    await refused(
      set,
      { resume: 'never' },
      /iter_5\.json: a checkpoint of an earlier run, and "resume" is "never"/,
    );
  });

  test('that would go on from a checkpoint by another recipe: what differs is named', async () => {
    const set = await trainedSet(5);
    await refused(
      set,
      { overrides: ['train.optimizer.lr=0.5', 'train.seed=9'] },
      /iter_5\.json: cannot be resumed by another recipe: train\.seed was \d and is 9; train\.optimizer\.lr was 0\.01 and is 0\.5 in test/,
    );
    const images = JSON.parse((await set.store.read('s3://bucket/data/training.manifest.json')).toString());
    images.images.pop();
    await set.store.write('s3://bucket/data/training.manifest.json', Buffer.from(JSON.stringify(images)));
    await refused(set, {}, /images\.sha256 was "[0-9a-f]{64}" and is/);
  });

  test('that begins with another head’s checkpoint: tensor, both shapes and both files are named', async () => {
    const set = await trainedSet(5);
    const classes = [
      { name: 'a', color: [1, 2, 3] },
      { name: 'b', color: [4, 5, 6] },
    ];
    const overrides = ['model.head.classes=2', `dataset.classes=${JSON.stringify(classes)}`];
    const folder = checkpointFolder(set.run.prefix);
    const message = `${folder}/iter_5.pth: decode_head.conv_seg.weight has shape [150, 16, 1, 1], but in test it is [2, 16, 1, 1]`;
    await refused(set, { overrides }, message);
    await refused(set, { overrides, resumeFrom: folder }, message, 'train-2');
    await refused(set, { overrides, loadFrom: `${folder}/iter_5.pth` }, message, 'train-2');
  });

  test('that would go on and begin anew at once, or go on beyond its end', async () => {
    const set = await trainedSet(10);
    const folder = checkpointFolder(set.run.prefix);
    await refused(
      set,
      { resumeFrom: folder, loadFrom: `${folder}/iter_5.pth` },
      /loadFrom: does not go with resumeFrom/,
    );
    await refused(
      set,
      { resumeFrom: folder, overrides: ['train.steps=10'] },
      /iter_10\.json: has 10 steps, but train\.steps of test is 10/,
      'train-2',
    );
  });
});
