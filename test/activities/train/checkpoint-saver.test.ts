import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryStore } from '../../../activities/deliver/memory-store.ts';
import { createPublish } from '../../../activities/publish/publish-results.ts';
import { checkpointState } from '../../../activities/train/read-state.ts';
import { recordEvaluation } from '../../../activities/train/record-evaluation.ts';
import { openTorchFile, readTensor, toFloat32 } from '../../../core/checkpoint/torch-file.ts';
import { BadData, BadInput, Unavailable } from '../../../core/config/failures.ts';
import { WeightsManifestSchema } from '../../../core/config/manifests.ts';
import type { Store } from '../../../core/store.ts';
import { findCheckpoint, listCheckpoints } from '../../../core/train/checkpoint-pointers.ts';
import { readLog } from '../../../core/train/train-log.ts';
import { sha256 } from '../../builders.ts';
import { fillDisk, mount } from '../../infra/mount.ts';
import { temporaryFolder, until } from '../../infra/observe.ts';
import { FINISHED_MS, publishInput } from '../publish/publish-input.ts';
import { segment, tensorNames, trainable, trainRun } from './training-run.ts';

const folder = 's3://bucket/runs/train-1/checkpoints';

async function trained(until: number, objects = new Map<string, Buffer>()) {
  await segment(memoryStore(objects), { until });
  return { objects, store: memoryStore(objects) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function read(...from: Parameters<typeof checkpointState>) {
  return all((await checkpointState(...from)).tensors());
}

/** A store that is away for some calls of a method. */
function withOutage(
  store: Store,
  method: 'upload' | 'write' | 'head',
  isAway: (uri: string) => boolean,
): Store {
  const call = store[method] as (uri: string, ...rest: unknown[]) => Promise<unknown>;
  return {
    ...store,
    [method]: async (uri: string, ...rest: unknown[]) => {
      if (isAway(uri)) throw new Unavailable(`${uri}: S3 did not answer`);
      return call(uri, ...rest);
    },
  };
}

describe('a checkpoint', () => {
  test('is a head that mmseg loads, with the names and colours of its classes, beside the moments', async () => {
    const { objects, store } = await trained(5);
    const names = tensorNames(trainRun());
    for (const [kind, key] of [
      ['head', 'iter_5.pth'],
      ['optimizer', 'iter_5.optimizer.pth'],
    ] as const) {
      const bytes = objects.get(`${folder}/${key}`)!;
      const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
      const file = await openTorchFile(key, bytes.length, read);
      expect([...file.tensors.keys()]).toEqual(names[kind]);
      expect(file.topLevelKeys).toEqual(['meta', 'state_dict']);
      expect(file.meta).toMatchObject({
        iter: 5,
        seed: 0,
        config: 'test',
        CLASSES: ['wall'],
        PALETTE: [[1, 2, 3]],
      });
      const manifest = WeightsManifestSchema.parse(
        JSON.parse((await store.read(`${folder}/${key}.manifest.json`)).toString()),
      );
      expect(manifest.file).toEqual({ key, sizeBytes: bytes.length, sha256: sha256(bytes) });
      for (const tensor of manifest.tensors)
        expect(sha256(bytes.subarray(tensor.offset, tensor.offset + tensor.length))).toBe(tensor.sha256);
      const [first] = file.tensors.values();
      const values = toFloat32(await readTensor(file, first!, read), 'float32');
      expect(values.every(Number.isFinite)).toBe(true);
    }
  });

  test('of UperNet has its auxiliary head, to be gone on from', async () => {
    const config = trainable(
      'model.head={"type":"upernet","channels":8,"poolScales":[1,2],"classes":150}',
      'model.auxiliaryHead={"channels":8,"level":1,"classes":150}',
      'model.backbone.taps=[0,0,1,1]',
    );
    const objects = new Map<string, Buffer>();
    const store = memoryStore(objects);
    await segment(store, { until: 5, run: trainRun({ config }) });
    const [checkpoint] = await listCheckpoints(store, folder);
    const tensors = await all((await checkpointState(store, checkpoint!, config)).tensors());
    const auxiliary = tensors.filter(({ name }) => name.startsWith('auxiliary_head.'));
    expect(auxiliary.filter(({ first, second }) => first && second).length).toBeGreaterThan(3);
  });

  test('is found by its pointer, its folder or its run; nowhere else', async () => {
    const { store } = await trained(10);
    const prefix = 's3://bucket/runs/train-1';
    expect((await findCheckpoint(store, `${folder}/iter_5.json`)).step).toBe(5);
    for (const uri of [folder, `${folder}/`, prefix, `${prefix}/`])
      expect((await findCheckpoint(store, uri)).step).toBe(10);
    await expect(findCheckpoint(store, 's3://bucket/runs')).rejects.toThrow(BadInput);
  });

  test('that was damaged is not gone on from: the tensor is named', async () => {
    const { objects, store } = await trained(5);
    const damaged = Buffer.from(objects.get(`${folder}/iter_5.optimizer.pth`)!);
    const manifest = JSON.parse(
      (await store.read(`${folder}/iter_5.optimizer.pth.manifest.json`)).toString(),
    );
    const victim = manifest.tensors[2];
    damaged[victim.offset + 1]! ^= 1;
    objects.set(`${folder}/iter_5.optimizer.pth`, damaged);
    const [checkpoint] = await listCheckpoints(store, folder);
    const reading = read(store, checkpoint!, trainable());
    await expect(reading).rejects.toThrow(BadData);
    await expect(reading).rejects.toThrow(`SHA-256 of ${victim.name}`);
  });

  test('of another head is refused by the tensor, both shapes and both files', async () => {
    const { store } = await trained(5);
    const [checkpoint] = await listCheckpoints(store, folder);
    const other = trainable('model.backbone.embedDim=32', 'model.head.channels=32');
    await expect(read(store, checkpoint!, other)).rejects.toThrow(
      `${folder}/iter_5.pth: decode_head.norm.weight has shape [16], but in test it is [32]`,
    );
  });
});

describe('the last two checkpoints and the best one', () => {
  test('are kept, each with all its files, and nothing else', async () => {
    const objects = new Map<string, Buffer>();
    const store = memoryStore(objects);
    const run = trainRun();
    const mIoU = { 5: 0.2, 10: 0.9, 15: 0.5, 20: 0.4 };
    for (const [until, value] of Object.entries(mIoU)) {
      const step = Number(until);
      await segment(store, { until: step, run });
      const outputPrefix = `s3://bucket/evaluations/${step}`;
      const publish = createPublish(store, () => FINISHED_MS);
      const { resultsUri } = await publish.publishResults(publishInput({ outputPrefix }));
      const evaluation = { step, mIoU: value, mAcc: 0.5, aAcc: 0.5, resultsUri };
      await recordEvaluation(store, run, evaluation);
      await recordEvaluation(store, run, evaluation);
    }
    const kept = (await store.list(`${folder}/`)).map(({ uri }) => uri.slice(folder.length + 1));
    expect(kept.filter((key) => /^iter_\d+\.json$/.test(key))).toEqual([
      'iter_10.json',
      'iter_15.json',
      'iter_20.json',
    ]);
    expect(kept).toHaveLength(15);
    const log = await readLog(store, run.prefix);
    expect(log.filter(({ mode }) => mode === 'val').map((line) => [line.iter, line.mIoU])).toEqual(
      Object.entries(mIoU).map(([step, value]) => [Number(step), value]),
    );
    expect(log.at(-1)).toMatchObject({
      mode: 'val',
      'IoU.wall': expect.any(Number),
      'Acc.wall': expect.any(Number),
    });
  });
});

describe('an evaluation', () => {
  async function evaluated(objects: Map<string, Buffer>, store: Store = memoryStore(objects)) {
    const publish = createPublish(memoryStore(objects), () => FINISHED_MS);
    const { resultsUri } = await publish.publishResults(publishInput({ outputPrefix: 's3://bucket/eval' }));
    const evaluation = { step: 5, mIoU: 0.9, mAcc: 0.5, aAcc: 0.5, resultsUri };
    const recording = recordEvaluation(store, trainRun(), evaluation);
    return { evaluation, recording };
  }

  test('is in the checkpoint’s pointer before it is in the log: whoever finds it there does it no more', async () => {
    const { objects, store } = await trained(5);
    const away = withOutage(store, 'write', (uri) => uri.endsWith('train.log.json'));
    const { evaluation, recording } = await evaluated(objects, away);
    await expect(recording).rejects.toThrow(Unavailable);
    expect((await listCheckpoints(store, folder))[0]).toMatchObject({ evaluation });
    expect((await readLog(store, trainRun().prefix)).filter(({ mode }) => mode === 'val')).toEqual([]);
  });

  test('stays with its checkpoint when a trainer that was given up saves the same steps late', async () => {
    const { objects, store } = await trained(5);
    const { evaluation, recording } = await evaluated(objects);
    await recording;
    const written = objects.get(`${folder}/iter_5.json`);
    // It began before the checkpoint was there.
    await segment({ ...store, list: async () => [] }, { until: 5 });
    expect(objects.get(`${folder}/iter_5.json`)).not.toBe(written);
    expect((await listCheckpoints(store, folder))[0]).toMatchObject({ step: 5, evaluation });
  });
});

describe('a store that is away', () => {
  test('for a while costs nothing: the training goes on meanwhile, and the checkpoint comes after', async () => {
    const objects = new Map<string, Buffer>();
    let refused = 0;
    let stepsMeanwhile = 0;
    const store = withOutage(memoryStore(objects), 'upload', () => refused++ < 1);
    await segment(store, { until: 10, onNext: () => void (refused === 1 && stepsMeanwhile++) });
    expect(refused).toBeGreaterThan(1);
    expect(stepsMeanwhile).toBeGreaterThan(2);
    expect((await listCheckpoints(store, folder)).map(({ step }) => step)).toEqual([5, 10]);
  });

  test('for too long ends the segment: says which checkpoint, and the one before stays', async () => {
    const { objects, store } = await trained(5);
    const away = withOutage(store, 'upload', () => true);
    const training = segment(away, { until: 15, context: { patienceMs: 300 } });
    await expect(training).rejects.toMatchObject({ failureClass: 'Unavailable' });
    await expect(training).rejects.toThrow(
      /^the checkpoint of step 10 could not be sent: .*S3 did not answer/,
    );
    expect((await listCheckpoints(memoryStore(objects), folder)).map(({ step }) => step)).toEqual([5]);
  });

  test('when the pointer is due leaves no checkpoint that is not whole', async () => {
    const objects = new Map<string, Buffer>();
    const away = withOutage(memoryStore(objects), 'write', (uri) => uri.endsWith('iter_5.json'));
    await expect(segment(away, { until: 5, context: { patienceMs: 300 } })).rejects.toMatchObject({
      failureClass: 'Unavailable',
    });
    expect(await listCheckpoints(memoryStore(objects), folder)).toEqual([]);
    expect(objects.has(`${folder}/iter_5.pth`)).toBe(true);
  });
});

describe('the disk', () => {
  test('is left as it was', async () => {
    const scratchFolder = temporaryFolder();
    await segment(memoryStore(), { until: 10, context: { scratchFolder } });
    expect(readdirSync(scratchFolder)).toEqual([]);
  });

  test('that has too little room for a checkpoint is said before a step is taken', async ({ skip }) => {
    const scratchFolder = temporaryFolder();
    if (!mount(scratchFolder, '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs')) skip('needs the right to mount');
    fillDisk(scratchFolder);
    const steps: number[] = [];
    const training = segment(memoryStore(), {
      onNext: (step) => steps.push(step),
      context: { scratchFolder },
    });
    await expect(training).rejects.toThrow(Unavailable);
    await expect(training).rejects.toThrow(
      `${scratchFolder}: 0.0 kB of disk are free, but a checkpoint needs 31.1 kB: make room, or let TESSERA_SCRATCH name`,
    );
    expect(steps).toEqual([]);
  });

  test('that fills up during a training ends it: the folder is named, and what is there stays as it is', async ({
    skip,
  }) => {
    const scratchFolder = temporaryFolder();
    if (!mount(scratchFolder, '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs')) skip('needs the right to mount');
    const objects = new Map<string, Buffer>();
    const before = new Map<string, Buffer>();
    let makeRoom = () => {};
    const training = segment(memoryStore(objects), {
      onNext: async (step) => {
        if (step !== 9) return;
        const own = () => readdirSync(scratchFolder).flatMap((one) => readdirSync(join(scratchFolder, one)));
        await until('the checkpoint of step 5 to leave', () => own().length === 0);
        makeRoom = fillDisk(scratchFolder);
        for (const [uri, bytes] of objects) before.set(uri, bytes);
      },
      context: { scratchFolder },
    });
    await expect(training).rejects.toThrow(Unavailable);
    await expect(training).rejects.toThrow(
      `${scratchFolder}: the disk is full; a checkpoint needs 31.1 kB: make room, or let TESSERA_SCRATCH name`,
    );
    expect(readdirSync(scratchFolder)).toEqual(['filler']);
    expect((await listCheckpoints(memoryStore(objects), folder)).map(({ step }) => step)).toEqual([5]);
    expect(objects).toEqual(before);

    makeRoom();
    await segment(memoryStore(objects), { context: { scratchFolder } });
    const whole = await trained(20);
    const digest = async (store: Store) => (await listCheckpoints(store, folder)).at(-1)!.head.sha256;
    expect(await digest(memoryStore(objects))).toBe(await digest(whole.store));
  });
});
