import { mkdir, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { fetchWeights } from '../../activities/deliver/fetch-weights.ts';
import { neededPart } from '../../activities/deliver/needed-part.ts';
import type { Tensor } from '../../activities/onnx/runtime.ts';
import { tensor } from '../../activities/onnx/session.ts';
import type { CheckpointOnDisk } from '../../activities/onnx/write-model.ts';
import { writeMiniAde } from '../../cli/demo/mini-ade.ts';
import type { Session } from '../../cli/session.ts';
import { BadData, BadInput } from '../../core/config/failures.ts';
import type { VitConfig } from '../../core/config/model-kinds.ts';
import { backboneSteps, headSteps } from '../../core/model/block-graphs.ts';
import { evaluatedModel } from '../../core/model/head.ts';
import { CROPS, LOGITS } from '../../core/model/segmenter-graph.ts';
import { residentPeakBytes } from './memory.ts';
import { gb, type PhaseHooks, Phases } from './phases.ts';
import { backboneState, headState, stateBytes, writeState } from './random-checkpoint.ts';
import { openStepWeights, runSteps, type StepTime } from './run-steps.ts';
import { stageFile } from './stage-files.ts';

/** Whatever the sizes: below this nothing of 6B is worth beginning. */
export const MIN_FREE_BYTES = 12e9;

export interface SmokeOptions extends PhaseHooks {
  session: Pick<Session, 'store' | 'bucket'>;
  /** Of the local stack; its S3 server's objects lie in it. */
  stateFolder: string;
  /** Everything made here lies in it, and is removed at the end. */
  folder: string;
  linear: VitConfig;
  /** On taps of the same pass; null for a model that has none. */
  upernet: VitConfig | null;
  threads: number;
  minFreeBytes: number;
}

export interface SmokeResult {
  peakBytes: number;
  residentPeakBytes: number;
}

/**
 * Takes random weights of a model's true sizes the whole way: made, staged, fetched as far as they are needed,
 * and run on one crop, block after block; then the linear head, and UperNet, if there is one, on taps of the same pass.
 *
 * @throws BadInput if the disk has too little room, BadData if what comes out isn't finite
 */
export async function smoke(options: SmokeOptions): Promise<SmokeResult> {
  const { session, stateFolder, folder, linear, threads, onStep } = options;
  const upernet = options.upernet && onTapsOf(options.upernet, linear);
  const whole = upernet ?? linear;
  const states = {
    backbone: backboneState(linear.model),
    linear: headState(linear.model),
    ...(upernet ? { upernet: headState(upernet.model) } : {}),
  };
  const bytes = Object.values(states).reduce((sum, state) => sum + stateBytes(state), 0);
  await mkdir(folder, { recursive: true });
  // The files are there twice: as objects and in the cache.
  await ensureFree(folder, Math.max(2 * bytes, options.minFreeBytes));

  await using phases = new Phases(options);
  const removals: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const files = await phases.run('make checkpoints', async () => {
      const value: Record<string, string> = {};
      for (const [name, state] of Object.entries(states)) {
        value[name] = path.join(folder, `smoke-${name}.pth`);
        await writeState(value[name], state);
      }
      return { value, notes: `${gb(bytes)}, bfloat16 backbone of ${linear.model.backbone.depth} blocks` };
    });
    const staged = await phases.run('stage to S3', async () => {
      const value = [];
      for (const file of Object.values(files)) {
        const checkpoint = await stageFile(session, stateFolder, file);
        removals.push(() => checkpoint.remove());
        value.push(checkpoint);
      }
      return { value, notes: `${value[0]!.way}, hashed, indexed` };
    });
    const cache = path.join(folder, 'cache');
    const cached = await phases.run('fetch to the cache', async () => {
      const value: CheckpointOnDisk[] = [];
      let fetched = 0;
      const start = performance.now();
      for (const [i, { object, manifest }] of staged.entries()) {
        const only = neededPart(manifest, linear.model);
        const parts = only?.ranges ?? [{ offset: 0, length: object.sizeBytes }];
        fetched += parts.reduce((sum, { length }) => sum + length, 0);
        const fetchedFile = await fetchWeights(session.store, cache, object, linear.model, {
          onProgress: (done, total) => onStep(`fetch ${i + 1}: ${gb(done)} of ${gb(total)}`),
        });
        value.push({ name: object.uri, ...fetchedFile });
      }
      const speed = fetched / 2 ** 20 / ((performance.now() - start) / 1000);
      return { value, notes: `${gb(fetched)} of ${gb(bytes)}, verified, ${speed.toFixed(0)} MiB/s` };
    });
    const [backbone, linearHead, upernetHead = linearHead] = cached as [
      CheckpointOnDisk,
      CheckpointOnDisk,
      CheckpointOnDisk?,
    ];
    const run = async (steps: Parameters<typeof runSteps>[1], values: Map<string, Tensor>) => {
      const times: StepTime[] = [];
      const step = (time: StepTime) => {
        times.push(time);
        onStep(`${time.name}: ${time.run.toFixed(1)} s`);
      };
      await runSteps(cache, steps, values, { threads, onStep: step });
      return times;
    };

    const values = new Map<string, Tensor>([[CROPS, await oneCrop(folder, linear)]]);
    await phases.run('embedding and blocks', async () => {
      const weights = await openStepWeights(cache, [backbone, upernetHead], whole.model);
      const times = await run(backboneSteps({ config: whole, weights, batch: 1 }), values);
      return { value: null, notes: sums(times) };
    });
    await phases.run('linear head', async () => {
      const weights = await openStepWeights(cache, [backbone, linearHead], linear.model);
      const last = new Map([['tap0', values.get(`tap${whole.model.backbone.taps.length - 1}`)!]]);
      const times = await run(headSteps({ config: linear, weights, batch: 1 }), last);
      return { value: null, notes: `${sums(times)}; ${looks(last.get(LOGITS)!)}` };
    });
    if (!upernet) return { peakBytes: phases.peakBytes, residentPeakBytes: residentPeakBytes() };
    await phases.run('UperNet', async () => {
      const weights = await openStepWeights(cache, [backbone, upernetHead], upernet.model);
      const times = await run(headSteps({ config: upernet, weights, batch: 1 }), values);
      return { value: null, notes: `${sums(times)}; ${looks(values.get(LOGITS)!)}` };
    });
  } finally {
    onStep('cleaning up');
    for (const remove of removals) await remove();
  }
  return { peakBytes: phases.peakBytes, residentPeakBytes: residentPeakBytes() };
}

/** UperNet whose last tap is the linear head's, so that one pass through the backbone serves both. */
function onTapsOf(upernet: VitConfig, { model }: VitConfig): VitConfig {
  const taps = [...upernet.model.backbone.taps.slice(0, -1), model.backbone.taps[0]!];
  return {
    ...upernet,
    model: { ...evaluatedModel(upernet.model), backbone: { ...upernet.model.backbone, taps } },
  };
}

/** @throws BadInput if the disk has too little room */
export async function ensureFree(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < needed)
    throw new BadInput(
      `${folder}: ${gb(bavail * bsize)} of disk are free, and ${gb(needed)} are needed; ` +
        'make room, or let TESSERA_STATE name a folder on another disk',
    );
}

/** An image of the demo's set, cut to a crop. */
async function oneCrop(folder: string, { model }: VitConfig): Promise<Tensor> {
  const ade = path.join(folder, 'ade');
  await writeMiniAde(ade, { training: 0, validation: 1, seed: 6 });
  const side = model.backbone.imageSizePx;
  const pixels = await sharp(path.join(ade, 'images/validation/ADE_val_00000001.jpg'))
    .resize(side, side, { fit: 'cover' })
    .removeAlpha()
    .raw()
    .toBuffer();
  return tensor(new Uint8Array(pixels), [1, side, side, 3]);
}

function sums(times: StepTime[]): string {
  const sum = (of: (time: StepTime) => number) =>
    times.reduce((total, time) => total + of(time), 0).toFixed(1);
  return `${times.length} sessions: ${sum(({ create }) => create)} s to create, ${sum(({ run }) => run)} s to run`;
}

/** @throws BadData if logits are not finite */
function looks(logits: Tensor): string {
  const data = logits.data as Float32Array;
  if (!data.every(Number.isFinite)) throw new BadData('logits are not finite');
  const rms = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
  return `logits [${logits.dims.join(', ')}], finite, rms ${rms.toFixed(2)}`;
}
