import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fetchWeights } from '../../activities/deliver/fetch-weights.ts';
import { CheckpointSaver } from '../../activities/train/checkpoint-saver.ts';
import { initialState } from '../../activities/train/initial-state.ts';
import { checkpointState } from '../../activities/train/read-state.ts';
import { ModelTrainer, type TrainingBatch } from '../../activities/train/trainer.ts';
import { createRandom } from '../../cli/demo/scene-random.ts';
import type { Session } from '../../cli/session.ts';
import { BadData } from '../../core/config/failures.ts';
import type { StateSource, StepLog } from '../../core/config/train.ts';
import type { TrainableConfig, TrainRun } from '../../core/config/train-run.ts';
import { joinUri } from '../../core/store.ts';
import { checkpointFolder, listCheckpoints } from '../../core/train/checkpoint-pointers.ts';
import { recipeOf } from '../../core/train/recipe.ts';
import { checkpointBytes, stateSpecs } from '../../core/train/state-specs.ts';
import { EMPTY_WINDOW } from '../../core/train/train-log.ts';
import { residentPeakBytes } from './memory.ts';
import { gb, type PhaseHooks, Phases } from './phases.ts';
import { backboneState, stateBytes, writeState } from './random-checkpoint.ts';
import { ensureFree, type SmokeResult } from './smoke.ts';
import { stageFile } from './stage-files.ts';

export interface TrainSmokeOptions extends PhaseHooks {
  session: Pick<Session, 'store' | 'bucket'>;
  /** Of the local stack; its S3 server's objects lie in it. */
  stateFolder: string;
  /** Everything made here lies in it, and is removed at the end. */
  folder: string;
  config: TrainableConfig;
  minFreeBytes: number;
}

/** Steps before the checkpoint. */
const STEPS = 2;
/** Tensors whose bytes are compared after the step behind the checkpoint: a part of every one. */
const COMPARED_ELEMENTS = 4096;

/**
 * Trains random weights for two steps, writes a checkpoint to S3, takes a third step, and takes it once more in a trainer
 * that has read the checkpoint. Everything but the crops, which are random, is the product's own.
 *
 * @throws BadInput if the disk has too little room, BadData if a loss isn't finite, or the resumed step differs
 */
export async function trainSmoke(options: TrainSmokeOptions): Promise<SmokeResult> {
  const { session, stateFolder, folder, config, onStep } = options;
  const { store, bucket } = session;
  const { model, run } = config;
  const state = backboneState(model);
  const bytes = stateBytes(state);
  const saved = checkpointBytes(stateSpecs(config));
  await mkdir(folder, { recursive: true });
  // The backbone as an object and in the cache; the checkpoint on the disk and as an object.
  await ensureFree(folder, Math.max(2 * bytes + 2 * saved, options.minFreeBytes));

  await using phases = new Phases(options);
  const prefix = joinUri(`s3://${bucket}`, 'smoke/training');
  const removals = [
    () => rm(folder, { recursive: true, force: true }),
    async () => {
      for (const { uri } of await store.list(`${prefix}/`)) await store.remove(uri);
    },
  ];
  const signal = new AbortController().signal;
  const open = async (name: string, step: number) => {
    const trainer = await phases.run(`${name}: open`, async () => ({
      value: await ModelTrainer.open({ config, step, threads: run.threads }),
      notes: 'graphs, and a state of zeros',
    }));
    return trainer;
  };
  const load = (name: string, trainer: ModelTrainer, source: StateSource) =>
    phases.run(`${name}: load`, async () => {
      for await (const tensor of source.tensors()) {
        await trainer.put(tensor);
      }
      return { value: null, notes: gb(saved) };
    });
  const takeStep = async (name: string, trainer: ModelTrainer): Promise<StepLog> => {
    onStep(name);
    const log = await trainer.step(batchOf(config, trainer.state().step));
    const end = Date.now();
    const { forward, backward, optimizer } = trainer.seconds;
    const rest = 1000 * (backward + optimizer);
    phases.add({ name: `${name}: forward`, seconds: forward, notes: '' }, end - rest);
    // A stage's update follows its backward pass at once: their memory is that of both.
    phases.add({ name: `${name}: backward`, seconds: backward, notes: 'with the head' }, end);
    phases.add({ name: `${name}: optimizer`, seconds: optimizer, notes: `loss ${log.loss}` }, end);
    if (!Number.isFinite(log.loss)) throw new BadData(`${name}: the loss is ${log.loss}`);
    return log;
  };

  try {
    const file = path.join(folder, 'smoke-backbone.pth');
    const staged = await phases.run('make and stage the backbone', async () => {
      await writeState(file, state);
      const value = await stageFile(session, stateFolder, file);
      removals.push(() => value.remove());
      return { value, notes: `${gb(bytes)}, bfloat16, ${value.way}` };
    });
    const weights = staged.object;
    const cacheFolder = path.join(folder, 'cache');
    const context = {
      store,
      cacheFolder,
      fetch: (object: typeof weights) => fetchWeights(store, cacheFolder, object, model),
    };
    const dataset = { sha256: '0'.repeat(64) };
    const recipe = recipeOf({ config, weights, dataset });

    const straight = async () => {
      await using trainer = await open('straight', 0);
      await load('straight', trainer, await initialState(context, { config, weights } as TrainRun, signal));
      for (let step = 1; step <= STEPS; step++) await takeStep(`step ${step}`, trainer);
      await using saver = new CheckpointSaver({
        store,
        prefix,
        scratchFolder: path.join(folder, 'scratch'),
        async onSaved() {},
      });
      await phases.run('checkpoint: to disk', async () => {
        const meta = { iter: STEPS, config: config.name, CLASSES: [], PALETTE: [] };
        const writer = { workflowId: 'smoke', runId: 'smoke', worker: 'smoke' };
        const notes = { seed: config.train.seed, logWindow: EMPTY_WINDOW, recipe, writer };
        await saver.save(trainer.state(), meta, notes, []);
        return { value: null, notes: gb(saved) };
      });
      await phases.run('checkpoint: to S3', async () => {
        await saver.settle();
        return { value: null, notes: 'with manifests and pointer' };
      });
      return await resultOf(await takeStep(`step ${STEPS + 1}`, trainer), trainer);
    };
    const resumed = async () => {
      const [checkpoint] = await listCheckpoints(store, checkpointFolder(prefix));
      const source = await checkpointState(store, checkpoint!, config);
      await using trainer = await open('resume', source.step);
      await load('resume', trainer, source);
      return await resultOf(await takeStep(`step ${STEPS + 1} again`, trainer), trainer);
    };
    compare(await straight(), await resumed());
  } finally {
    onStep('cleaning up');
    for (const remove of removals) await remove();
  }
  return { peakBytes: phases.peakBytes, residentPeakBytes: residentPeakBytes() };
}

interface StepResult {
  log: StepLog;
  /** The beginnings of the state's tensors. */
  values: Map<string, Float32Array>;
}

async function resultOf(log: StepLog, trainer: ModelTrainer): Promise<StepResult> {
  const { specs, read } = trainer.state();
  const values = new Map<string, Float32Array>();
  for (const { name } of specs) values.set(name, (await read(name, 'value')).slice(0, COMPARED_ELEMENTS));
  return { log, values };
}

/** @throws BadData if a resumed step differs in a bit */
function compare(straight: StepResult, resumed: StepResult): void {
  if (straight.log.loss !== resumed.log.loss)
    throw new BadData(
      `the resumed step's loss is ${resumed.log.loss}, and the straight run's ${straight.log.loss}`,
    );
  for (const [name, values] of straight.values)
    if (!Buffer.from(values.buffer).equals(Buffer.from(resumed.values.get(name)!.buffer)))
      throw new BadData(`after the resumed step ${name} is another than after the straight run's`);
}

/** Random crops, and labels in stripes. */
function batchOf({ model, train }: TrainableConfig, step: number): TrainingBatch {
  const pixels = train.batch * model.backbone.imageSizePx ** 2;
  const random = createRandom(step);
  const image = Float32Array.from({ length: 3 * pixels }, () => random.normal());
  const labels = Uint8Array.from({ length: pixels }, (_, i) => Math.floor(i / 5000) % model.head.classes);
  return { features: [image], labels };
}
